//! A shard's own event queue for its publishers' sockets.
//!
//! Hundreds of publishers send a frame each thirty-three milliseconds, and a frame is quickly taken in: less
//! than to wake a task for it, and to find by the task what has come. So publishers have no task that reads.
//! The kernel's list of those who have sent something (`epoll`, edge-triggered) is gone through in one go;
//! and because it says who comes next, the next one's memory is asked for while this one is served.
//!
//! ```text
//!   epoll ──▶ [ 7, 3, 12, 5 … ]      12: is asked to name its memory   (Source::approach)
//!               ▲                     3: its memory is asked for       (Source::fetch)
//!               └ is served           7: reads, parses, publishes      (Source::turn)
//! ```
//!
//! A shard with time to spare is woken by whatever comes. A busy one with many publishers looks every
//! [`limits::INTAKE_REST`]: to wake for a few frames costs more than to take them in.
//!
//! While the shard gathers what it sends, what comes gathers in the kernel, too: each socket is read once in
//! the shard's window (a *gulp*), and the kernel says nothing of it before [`limits::GULP_BYTES`] wait.

use crate::{limits, net, pace::Pace};
use rustix::{
    buffer::spare_capacity,
    event::{
        Timespec,
        epoll::{self, CreateFlags, EventData, EventFlags},
    },
};
use service::Throttle;
use slab::Slab;
use std::{
    cell::RefCell, collections::VecDeque, convert::Infallible, future::poll_fn, io, mem,
    net::TcpStream, os::fd::OwnedFd, pin::Pin, rc::Rc, task::Poll, time::Duration,
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    task,
    time::{self, Instant, Sleep},
};

/// One line a minute about a kernel that watches no more.
static UNWATCHED: Throttle = Throttle::new(Duration::from_secs(60));

/// Who is read when something has come.
pub(crate) trait Source {
    /// What is watched.
    fn socket(&self) -> &TcpStream;

    /// Reads what has come, and writes what could not be written before. Called when there may be something,
    /// and now and then when there is nothing; must not block.
    ///
    /// `gulp`: what comes has gathered in the kernel. `now`: when its round began.
    fn turn(&self, gulp: bool, now: Instant) -> Turned;

    /// It is its turn after next: asks for the memory that says what it needs.
    fn approach(&self);

    /// It is its turn next: asks for what it needs.
    fn fetch(&self);
}

/// What a turn has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turned {
    /// Nothing: the kernel will say when there is more.
    Empty,
    /// The buffer was filled: there may be more.
    More,
    /// The source reads no more.
    Over,
}

/// The event queue, and who is in it.
pub(crate) struct Intake {
    queue: Rc<OwnedFd>,
    seats: RefCell<Slab<Seated>>,
    /// Who is read when, the earliest first as long as the window stays the same. One that was read before
    /// its time is in it twice.
    gulps: RefCell<VecDeque<(Instant, usize)>>,
    pace: Rc<Pace>,
}

struct Seated {
    source: Rc<dyn Source>,
    /// From one gulp to the next; zero while what comes is read at once.
    every: Duration,
    /// When the next gulp is due.
    due: Option<Instant>,
    /// The peer says no more: it is read until its last word.
    hung_up: bool,
}

/// A source in the intake. Leaves it when dropped.
pub(crate) struct Seat<'a> {
    intake: &'a Intake,
    number: usize,
}

/// The queue of an intake, before the shard's thread runs.
///
/// # Errors
/// If the operating system gives none.
pub(crate) fn queue() -> io::Result<OwnedFd> {
    Ok(epoll::create(CreateFlags::CLOEXEC)?)
}

impl Intake {
    pub(crate) fn new(queue: OwnedFd, pace: &Rc<Pace>) -> Self {
        Self {
            queue: Rc::new(queue),
            seats: RefCell::default(),
            gulps: RefCell::default(),
            pace: pace.clone(),
        }
    }

    /// Gives `source` its turns from now on, the first at once.
    ///
    /// # Errors
    /// If the kernel watches no more sockets.
    pub(crate) fn seat(&self, source: Rc<dyn Source>) -> io::Result<Seat<'_>> {
        let mut seats = self.seats.borrow_mut();
        let entry = seats.vacant_entry();
        let number = entry.key();
        // Room to write is reported at once, and with it the first turn comes.
        let wanted = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        let data = EventData::new_u64(number as u64);
        epoll::add(&self.queue, source.socket(), data, wanted)?;
        entry.insert(Seated {
            source,
            every: Duration::ZERO,
            due: None,
            hung_up: false,
        });
        Ok(Seat {
            intake: self,
            number,
        })
    }

    /// Serves for ever.
    pub(crate) async fn run(&self) -> Infallible {
        let mut events = Vec::with_capacity(limits::INTAKE_EVENTS);
        let mut turns = Vec::with_capacity(limits::INTAKE_EVENTS);
        let timer = time::sleep(Duration::ZERO);
        tokio::pin!(timer);
        let mut watched = None;
        loop {
            if !turns.is_empty() || events.len() == limits::INTAKE_EVENTS || self.owes_turns() {
                // There is more. Who sends faster than it is read must not keep the others waiting.
                task::yield_now().await;
            } else if self.rests() {
                // Not even the runtime is to be woken.
                watched = None;
                time::sleep(limits::INTAKE_REST).await;
            } else {
                if watched.is_none() {
                    watched = self.watch();
                }
                match &watched {
                    Some(queue) => self.news(queue, timer.as_mut()).await,
                    None => time::sleep(limits::INTAKE_REST).await,
                }
            }
            self.take_due(&mut turns);
            self.take_ready(&mut events, &mut turns);
            self.serve(&mut turns);
        }
    }

    /// Whether to look for news now and then, not to be woken by each. (By gulps it is seldom woken.)
    fn rests(&self) -> bool {
        self.pace.may_hold_back()
            && self.pace.window().is_zero()
            && self.seats.borrow().len() >= limits::INTAKE_RESTS_FROM
    }

    /// Has the runtime watch the queue, if it can watch one more descriptor.
    #[allow(unsafe_code)] // There is no safe way to say it, though this type cannot be used wrongly.
    fn watch(&self) -> Option<AsyncFd<Rc<OwnedFd>>> {
        // SAFETY: an `OwnedFd` is open, and the same descriptor, for as long as it lives.
        let watched =
            unsafe { AsyncFd::register_with_interest(self.queue.clone(), Interest::READABLE) };
        watched
            .inspect_err(|error| {
                if let Some(unsaid) = UNWATCHED.permit(std::time::Instant::now()) {
                    tracing::warn!(%error, unsaid, "publishers are looked at now and then: their sockets cannot be watched");
                }
            })
            .ok()
    }

    /// Resolves when somebody has sent something, or a gulp is due.
    async fn news(&self, queue: &AsyncFd<Rc<OwnedFd>>, mut timer: Pin<&mut Sleep>) {
        let due = self.gulps.borrow().front().map(|&(due, _)| due);
        if let Some(due) = due
            && due != timer.deadline()
        {
            timer.as_mut().reset(due);
        }
        poll_fn(|context| {
            if due.is_some() && timer.as_mut().poll(context).is_ready() {
                return Poll::Ready(());
            }
            let ready = queue.poll_read_ready(context);
            ready.map(|ready| ready.expect("the runtime outlives its tasks").clear_ready())
        })
        .await;
    }

    /// Whom the kernel names.
    fn take_ready(&self, events: &mut Vec<epoll::Event>, turns: &mut Vec<usize>) {
        const AT_ONCE: Timespec = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        const OVER: EventFlags = EventFlags::RDHUP
            .union(EventFlags::HUP)
            .union(EventFlags::ERR);
        events.clear();
        if let Err(error) = epoll::wait(&self.queue, spare_capacity(events), Some(&AT_ONCE)) {
            tracing::debug!(%error, "the kernel was interrupted while it named who has sent something");
        }
        let mut seats = self.seats.borrow_mut();
        for event in events {
            let seat = event.data.u64() as usize;
            if let Some(seated) = seats.get_mut(seat) {
                seated.hung_up |= { event.flags }.intersects(OVER);
                give_turn(turns, seat);
            }
        }
    }

    /// Whether a gulp is overdue.
    fn owes_turns(&self) -> bool {
        let gulps = self.gulps.borrow();
        let due = gulps.front().map(|&(due, _)| due);
        due.is_some_and(|due| due <= Instant::now())
    }

    /// Whose gulp is due, a round's worth.
    fn take_due(&self, turns: &mut Vec<usize>) {
        let mut gulps = self.gulps.borrow_mut();
        if gulps.is_empty() {
            return;
        }
        let (seats, now) = (self.seats.borrow(), Instant::now());
        while turns.len() < limits::INTAKE_EVENTS
            && let Some((due, seat)) = gulps.pop_front_if(|&mut (due, _)| due <= now)
        {
            let seated = seats.get(seat);
            if seated.is_some_and(|seated| seated.due == Some(due)) {
                give_turn(turns, seat);
            }
        }
    }

    /// Gives each its turn, and leaves in `turns` those who need another.
    fn serve(&self, turns: &mut Vec<usize>) {
        let (mut unfinished, now) = (0, Instant::now());
        self.look_ahead(turns);
        for at in 0..turns.len() {
            self.look_ahead(&turns[at + 1..]);
            let seat = turns[at];
            let Some((source, gulp)) = self.source(seat) else {
                continue;
            };
            let turned = source.turn(gulp, now);
            self.keep_pace(seat, &*source, now);
            if turned == Turned::More || turned == Turned::Empty && self.has_hung_up(seat) {
                turns[unfinished] = seat;
                unfinished += 1;
            }
        }
        turns.truncate(unfinished);
    }

    fn look_ahead(&self, turns: &[usize]) {
        let seats = self.seats.borrow();
        let seated = |at: usize| seats.get(*turns.get(at)?);
        if let Some(next) = seated(0) {
            next.source.fetch();
        }
        if let Some(after_next) = seated(1) {
            after_next.source.approach();
        }
    }

    /// Who sits there, and whether what comes has gathered.
    fn source(&self, seat: usize) -> Option<(Rc<dyn Source>, bool)> {
        let seats = self.seats.borrow();
        let seated = seats.get(seat)?;
        Some((seated.source.clone(), !seated.every.is_zero()))
    }

    fn has_hung_up(&self, seat: usize) -> bool {
        let seats = self.seats.borrow();
        seats.get(seat).is_some_and(|seated| seated.hung_up)
    }

    /// Sees to it that `source` is read as seldom as the shard sends. Called after each of its turns.
    fn keep_pace(&self, seat: usize, source: &dyn Source, now: Instant) {
        let window = self.pace.window();
        let mut seats = self.seats.borrow_mut();
        let Some(seated) = seats.get_mut(seat) else {
            return;
        };
        let before = mem::replace(&mut seated.every, window);
        if before.is_zero() != window.is_zero() {
            let bytes = match window.is_zero() {
                true => 1,
                false => limits::GULP_BYTES,
            };
            wake_at(source, bytes);
        }
        seated.due = (!window.is_zero()).then(|| now + window);
        if let Some(due) = seated.due {
            self.gulps.borrow_mut().push_back((due, seat));
        }
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let seated = self.intake.seats.borrow_mut().remove(self.number);
        if !seated.every.is_zero() {
            // Whoever has the socket now hears at once again.
            wake_at(&*seated.source, 1);
        }
        if let Err(error) = epoll::delete(&self.intake.queue, seated.source.socket()) {
            tracing::debug!(%error, "a publisher's socket was not watched");
        }
    }
}

/// One turn, though the seat waits for another already.
fn give_turn(turns: &mut Vec<usize>, seat: usize) {
    if !turns.contains(&seat) {
        turns.push(seat);
    }
}

fn wake_at(source: &dyn Source, bytes: i32) {
    if let Err(error) = net::wake_at(source.socket(), bytes) {
        // Costs time, and nothing else.
        tracing::debug!(%error, "the kernel takes no low-water mark");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pace::{MergeWrite, NoDelay};
    use std::{
        cell::Cell,
        io::Write as _,
        net::{Shutdown, TcpListener},
    };
    use tokio::task::LocalSet;

    /// Keeps what it reads, `room` bytes at a turn.
    struct Kept {
        socket: TcpStream,
        room: usize,
        bytes: RefCell<Vec<u8>>,
        turns: Cell<u32>,
        gulps: Cell<u32>,
        is_over: Cell<bool>,
    }

    impl Source for Kept {
        fn socket(&self) -> &TcpStream {
            &self.socket
        }

        fn turn(&self, gulp: bool, _now: Instant) -> Turned {
            self.turns.set(self.turns.get() + 1);
            self.gulps.set(self.gulps.get() + u32::from(gulp));
            let mut buffer = vec![0; self.room];
            match net::read_unwatched(&self.socket, &mut buffer) {
                Ok(Some(bytes)) => {
                    self.bytes.borrow_mut().extend_from_slice(bytes);
                    if bytes.len() == self.room {
                        Turned::More
                    } else {
                        Turned::Empty
                    }
                }
                Ok(None) => Turned::Empty,
                Err(_) => {
                    self.is_over.set(true);
                    Turned::Over
                }
            }
        }

        fn approach(&self) {}

        fn fetch(&self) {}
    }

    /// Never reads, whatever it is told.
    struct Deaf {
        socket: TcpStream,
        turns: Cell<u32>,
    }

    impl Source for Deaf {
        fn socket(&self) -> &TcpStream {
            &self.socket
        }

        fn turn(&self, _gulp: bool, _now: Instant) -> Turned {
            self.turns.set(self.turns.get() + 1);
            Turned::Empty
        }

        fn approach(&self) {}

        fn fetch(&self) {}
    }

    /// A peer's end of a connection, and ours.
    fn connected() -> io::Result<(TcpStream, TcpStream)> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let peer = TcpStream::connect(listener.local_addr()?)?;
        let (socket, _) = listener.accept()?;
        socket.set_nonblocking(true)?;
        Ok((peer, socket))
    }

    /// Who sends, and who never reads it.
    fn deaf() -> io::Result<(TcpStream, Rc<Deaf>)> {
        let (peer, socket) = connected()?;
        let turns = Cell::default();
        Ok((peer, Rc::new(Deaf { socket, turns })))
    }

    /// Who sends, and who is to read it.
    fn pair(room: usize) -> io::Result<(TcpStream, Rc<Kept>)> {
        let (peer, socket) = connected()?;
        let kept = Kept {
            socket,
            room,
            bytes: RefCell::default(),
            turns: Cell::default(),
            gulps: Cell::default(),
            is_over: Cell::default(),
        };
        Ok((peer, Rc::new(kept)))
    }

    fn intake(window: Duration, rule: NoDelay) -> io::Result<Rc<Intake>> {
        let merge_write = MergeWrite {
            min: window,
            max: window,
        };
        let pace = Rc::new(Pace::new(merge_write, rule));
        Ok(Rc::new(Intake::new(queue()?, &pace)))
    }

    async fn serving<T>(intake: &Rc<Intake>, doing: impl Future<Output = T>) -> T {
        let served = intake.clone();
        let tasks = LocalSet::new();
        tasks.spawn_local(async move { served.run().await });
        let done = time::timeout(Duration::from_secs(20), tasks.run_until(doing)).await;
        done.expect("it is done in time")
    }

    async fn until(condition: impl Fn() -> bool) {
        while !condition() {
            time::sleep(Duration::from_millis(1)).await;
        }
    }

    #[tokio::test]
    async fn all_that_comes_is_read_to_the_last_word() -> io::Result<()> {
        for rule in [NoDelay::Always, NoDelay::Never] {
            let intake = intake(Duration::ZERO, rule)?;
            all_is_read(&intake, rule == NoDelay::Never).await?;
        }
        Ok(())
    }

    async fn all_is_read(intake: &Rc<Intake>, rests: bool) -> io::Result<()> {
        serving(intake, async {
            let mut pairs = Vec::new();
            for number in 0..100 {
                let (peer, kept) = pair(1 + number * 10)?;
                pairs.push((peer, kept));
            }
            let seats: Vec<Seat<'_>> = pairs
                .iter()
                .map(|(_, kept)| intake.seat(kept.clone()))
                .collect::<io::Result<_>>()?;
            assert_eq!(intake.rests(), rests);
            for (peer, _) in &mut pairs {
                peer.write_all(&[1; 500])?;
            }
            until(|| {
                pairs
                    .iter()
                    .all(|(_, kept)| kept.bytes.borrow().len() == 500)
            })
            .await;
            for (peer, _) in &mut pairs {
                // Both at once: the kernel says so only once.
                peer.write_all(&[2; 500])?;
                peer.shutdown(Shutdown::Write)?;
            }
            until(|| pairs.iter().all(|(_, kept)| kept.is_over.get())).await;
            for (_, kept) in &pairs {
                assert_eq!(*kept.bytes.borrow(), [[1; 500], [2; 500]].concat());
            }
            drop(seats);
            assert!(intake.seats.borrow().is_empty());
            Ok(())
        })
        .await
    }

    #[tokio::test]
    async fn who_sends_faster_than_it_is_read_keeps_nobody_waiting() -> io::Result<()> {
        const FLOOD_BYTES: usize = 1 << 20;
        let intake = intake(Duration::ZERO, NoDelay::Always)?;
        serving(&intake, async {
            let (mut flooding, flooded) = pair(16)?;
            let (mut modest, other) = pair(64)?;
            let flood = task::spawn_blocking(move || flooding.write_all(&vec![3; FLOOD_BYTES]));
            let _seats = [intake.seat(flooded.clone())?, intake.seat(other.clone())?];
            until(|| !flooded.bytes.borrow().is_empty()).await;
            modest.write_all(b"heard")?;
            until(|| !other.bytes.borrow().is_empty()).await;
            let read = flooded.bytes.borrow().len();
            assert!(read < FLOOD_BYTES, "it had to wait for all {read}");
            until(|| flooded.bytes.borrow().len() == FLOOD_BYTES).await;
            flood.await?
        })
        .await
    }

    #[tokio::test]
    async fn who_has_left_has_no_more_turns() -> io::Result<()> {
        let intake = intake(Duration::ZERO, NoDelay::Always)?;
        serving(&intake, async {
            let (mut left, one) = pair(64)?;
            let (mut stays, other) = pair(64)?;
            let seat = intake.seat(one.clone())?;
            let _other_seat = intake.seat(other.clone())?;
            until(|| one.turns.get() > 0).await;
            drop(seat);
            let turns = one.turns.get();
            left.write_all(b"unheard")?;
            stays.write_all(b"heard")?;
            until(|| !other.bytes.borrow().is_empty()).await;
            assert_eq!(one.turns.get(), turns);
            assert_eq!(Rc::strong_count(&one), 1, "nobody else keeps it");
            Ok(())
        })
        .await
    }

    #[tokio::test]
    async fn who_takes_the_seat_of_one_that_hung_up_has_not_hung_up() -> io::Result<()> {
        let intake = intake(Duration::ZERO, NoDelay::Always)?;
        serving(&intake, async {
            let (peer, gone) = deaf()?;
            let seat = intake.seat(gone.clone())?;
            drop(peer);
            until(|| gone.turns.get() > 100).await;
            drop(seat);
            let (_peer, next) = deaf()?;
            let _seat = intake.seat(next.clone())?;
            until(|| next.turns.get() > 0).await;
            time::sleep(Duration::from_millis(50)).await;
            let turns = next.turns.get();
            assert!(turns < 10, "{turns} turns, though nothing comes");
            Ok(())
        })
        .await
    }

    #[tokio::test]
    async fn what_gathers_is_read_once_a_window() -> io::Result<()> {
        let window = Duration::from_millis(50);
        let intake = intake(window, NoDelay::Always)?;
        serving(&intake, async {
            let (mut peer, kept) = pair(4_096)?;
            let seat = intake.seat(kept.clone())?;
            let began = Instant::now();
            for _ in 0..100 {
                peer.write_all(&[7; 10])?;
                time::sleep(Duration::from_millis(5)).await;
            }
            until(|| kept.bytes.borrow().len() == 1_000).await;
            let windows = began.elapsed().div_duration_f64(window).ceil() as u32;
            let (turns, gulps) = (kept.turns.get(), kept.gulps.get());
            assert!(turns <= windows + 2, "{turns} turns in {windows} windows");
            assert!(gulps + 2 >= turns, "{gulps} of {turns} turns were gulps");
            drop(seat);
            // Heard at once again, by whoever watches it now.
            let socket = tokio::net::TcpStream::from_std(kept.socket.try_clone()?)?;
            peer.write_all(b"!")?;
            socket.readable().await?;
            Ok(())
        })
        .await
    }
}

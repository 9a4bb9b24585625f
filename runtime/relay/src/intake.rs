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
use slab::Slab;
use std::{
    cell::RefCell,
    collections::VecDeque,
    convert::Infallible,
    future::poll_fn,
    io, mem,
    net::TcpStream,
    os::fd::OwnedFd,
    rc::Rc,
    task::Poll,
    time::Duration,
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    task,
    time::{self, Instant},
};

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
    queue: AsyncFd<OwnedFd>,
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
}

/// Whose turn it is.
#[derive(Debug, Clone, Copy)]
struct Next {
    seat: usize,
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
/// If the operating system gives none. Panics outside the shard's runtime.
#[allow(unsafe_code)] // There is no safe way to say it, though this type cannot be used wrongly.
pub(crate) fn queue() -> io::Result<AsyncFd<OwnedFd>> {
    let queue = epoll::create(CreateFlags::CLOEXEC)?;
    // SAFETY: an `OwnedFd` is open, and the same descriptor, for as long as it lives.
    Ok(unsafe { AsyncFd::register_with_interest(queue, Interest::READABLE)? })
}

impl Intake {
    pub(crate) fn new(queue: AsyncFd<OwnedFd>, pace: &Rc<Pace>) -> Self {
        Self {
            queue,
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
        epoll::add(self.queue.get_ref(), source.socket(), data, wanted)?;
        entry.insert(Seated {
            source,
            every: Duration::ZERO,
            due: None,
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
        loop {
            let due = self.gulps.borrow().front().map(|&(due, _)| due);
            if let Some(due) = due
                && due != timer.deadline()
            {
                timer.as_mut().reset(due);
            }
            let ready = poll_fn(|context| {
                if due.is_some() && timer.as_mut().poll(context).is_ready() {
                    return Poll::Ready(None);
                }
                self.queue.poll_read_ready(context).map(Some)
            });
            match ready.await {
                None => self.take_due(&mut turns),
                Some(ready) => {
                    let mut ready = ready.expect("the runtime outlives its tasks");
                    self.take_ready(&mut events, &mut turns);
                    if turns.len() < limits::INTAKE_EVENTS {
                        ready.clear_ready();
                    }
                }
            }
            self.serve(&mut turns);
            while !turns.is_empty() {
                // Who sends faster than it is read must not keep the others waiting.
                task::yield_now().await;
                self.serve(&mut turns);
            }
        }
    }

    /// Whom the kernel names.
    fn take_ready(&self, events: &mut Vec<epoll::Event>, turns: &mut Vec<Next>) {
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
        turns.extend(events.iter().map(|event| Next {
            seat: event.data.u64() as usize,
            hung_up: { event.flags }.intersects(OVER),
        }));
    }

    /// Whose gulp is due.
    fn take_due(&self, turns: &mut Vec<Next>) {
        let (seats, now) = (self.seats.borrow(), Instant::now());
        let mut gulps = self.gulps.borrow_mut();
        while let Some((due, seat)) = gulps.pop_front_if(|&mut (due, _)| due <= now) {
            if seats.get(seat).is_some_and(|seated| seated.due == Some(due)) {
                turns.push(Next {
                    seat,
                    hung_up: false,
                });
            }
        }
    }

    /// Gives each its turn, and leaves those who need another.
    fn serve(&self, turns: &mut Vec<Next>) {
        let (mut unfinished, now) = (0, Instant::now());
        self.look_ahead(turns);
        for at in 0..turns.len() {
            self.look_ahead(&turns[at + 1..]);
            let next = turns[at];
            let Some((source, gulp)) = self.source(next.seat) else {
                continue;
            };
            let turned = source.turn(gulp, now);
            self.keep_pace(next.seat, &*source, now);
            if turned == Turned::More || turned == Turned::Empty && next.hung_up {
                turns[unfinished] = next;
                unfinished += 1;
            }
        }
        turns.truncate(unfinished);
    }

    fn look_ahead(&self, turns: &[Next]) {
        let seats = self.seats.borrow();
        let seated = |at: usize| seats.get(turns.get(at)?.seat);
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

    /// Sees to it that `source` is read as seldom as the shard sends. Called after each of its turns.
    fn keep_pace(&self, seat: usize, source: &dyn Source, now: Instant) {
        let window = self.pace.window();
        let mut seats = self.seats.borrow_mut();
        let Some(seated) = seats.get_mut(seat) else {
            return;
        };
        let before = mem::replace(&mut seated.every, window);
        if before.is_zero() != window.is_zero() {
            wake_at(source, if window.is_zero() { 1 } else { limits::GULP_BYTES });
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

fn wake_at(source: &dyn Source, bytes: i32) {
    if let Err(error) = net::wake_at(source.socket(), bytes) {
        // Costs time, and nothing else.
        tracing::debug!(%error, "the kernel takes no low-water mark");
    }
}

//! Takes in what an encoder, or another node's forward, publishes over RTMP.

use super::server::{Connection, Ended};
use crate::{
    hub::{Epoch, PublisherInfo, PublisherKind, Superseded},
    intake::{Source, Turned},
    limits,
    local::LocalPublisher,
    net, settings, trail,
};
use bytes::{Buf, BytesMut};
use media::{Frame, MediaTime, StreamPath};
use rtmp::{Media, Status, server::Event, status::code};
use service::Throttle;
use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    io::{self, Write as _},
    ops::ControlFlow,
    rc::Rc,
    sync::Arc,
    task::{Poll, Waker, ready},
    time::{Duration, Instant, SystemTime},
};
use tokio::{net::TcpStream, time};

/// One line a second about frames that cannot be, however many come.
static BAD_FRAMES: Throttle = Throttle::new(Duration::from_secs(1));

/// Publishes `path` until the peer ends it (`Ok`) or the connection is over; answers with the connection.
///
/// `backup` if the peer says that another, elsewhere, sends the same.
///
/// # Errors
/// If the socket was lost on its way to the shard's intake or back.
pub(super) async fn publish(
    mut connection: Box<Connection>,
    path: &StreamPath,
    backup: bool,
) -> io::Result<(Box<Connection>, Result<(), Ended>)> {
    let publisher = match begin(&mut connection, path, backup) {
        Ok(publisher) => publisher,
        Err(ended) => return Ok((connection, Err(ended))),
    };
    let peer = connection.peer;
    tracing::info!(stream = %path, %peer, protocol = "rtmp", backup, "publisher joined");
    let began = Instant::now();
    let (connection, socket) = connection.exchange(());
    let socket = Rc::into_inner(socket).expect("who played on it has left");
    let reception = Reception::new(connection, socket.into_std()?, publisher);
    let ended = receive(&reception).await;
    let reception = Rc::into_inner(reception).expect("the intake has let go of it");
    let (connection, socket) = reception.into_parts();
    let socket = Rc::new(TcpStream::from_std(socket)?);
    let (connection, ()) = connection.exchange(socket);
    let mut connection = Box::new(connection);
    if matches!(ended, Err(Ended::TakenOver)) {
        let status = Status::error(code::PUBLISH_BAD_NAME, Ended::TakenOver.to_string());
        connection.session.send_status(status);
    }
    let reason = ended
        .as_ref()
        .err()
        .map_or_else(|| "unpublished".to_owned(), ToString::to_string);
    tracing::info!(stream = %path, %peer, protocol = "rtmp", %reason, seconds = began.elapsed().as_secs(),
        bytes = connection.session.bytes_received(), "publisher left");
    Ok((connection, ended))
}

/// Makes the peer the stream's publisher, or tells it why not.
fn begin(
    connection: &mut Connection,
    path: &StreamPath,
    backup: bool,
) -> Result<LocalPublisher, Ended> {
    let peer = connection.peer;
    let info = PublisherInfo {
        peer: Some(peer),
        origin: PublisherKind::Publish,
        upstream: None,
        since: SystemTime::now(),
        passed_on: connection
            .introduction
            .clone()
            .map(|said| Arc::new((*said).into())),
        epoch: Epoch::NONE,
        backup,
    };
    let publisher = match connection.shard.hub().publish(path, info) {
        Ok(publisher) => publisher,
        Err(busy) => {
            tracing::warn!(stream = %path, %peer, reason = %busy, "publisher refused");
            metrics::counter!("weir_publishes_refused_total").increment(1);
            connection
                .session
                .reject(Status::error(code::PUBLISH_BAD_NAME, busy.to_string()))?;
            return Err(Ended::Refused(busy.to_string()));
        }
    };
    connection.session.accept_publish()?;
    Ok(LocalPublisher::new(publisher, &connection.shard))
}

/// Leaves the reading to the shard's intake, until there is a reason to end.
async fn receive(reception: &Rc<Reception>) -> Result<(), Ended> {
    let (shard, superseded) = {
        let at_work = reception.at_work.borrow();
        (
            at_work.connection.shard.clone(),
            at_work.publisher.superseded(),
        )
    };
    let _seat = shard.intake().seat(reception.clone())?;
    tokio::select! {
        over = reception.over() => over,
        ended = reception.patience.runs_out() => Err(ended),
        () = superseded => Err(Ended::TakenOver),
        () = shard.closing().cancelled() => Err(Ended::Closing),
    }
}

/// A publisher's connection in its shard's intake. Its task waits for the end alone.
struct Reception {
    socket: std::net::TcpStream,
    at_work: RefCell<AtWork>,
    patience: Patience,
    /// How it has ended, until its task has heard of it.
    over: RefCell<Option<Result<(), Ended>>>,
    task: RefCell<Option<Waker>>,
}

/// What a turn changes.
struct AtWork {
    connection: Connection<()>,
    publisher: LocalPublisher,
}

impl Reception {
    fn new(
        connection: Connection<()>,
        socket: std::net::TcpStream,
        publisher: LocalPublisher,
    ) -> Rc<Self> {
        Rc::new(Self {
            socket,
            patience: Patience::new(&connection.settings.publish),
            at_work: RefCell::new(AtWork {
                connection,
                publisher,
            }),
            over: RefCell::default(),
            task: RefCell::default(),
        })
    }

    fn into_parts(self) -> (Connection<()>, std::net::TcpStream) {
        (self.at_work.into_inner().connection, self.socket)
    }

    /// Resolves when the peer has ended it, or has gone.
    async fn over(&self) -> Result<(), Ended> {
        poll_fn(|context| match self.over.borrow_mut().take() {
            Some(over) => Poll::Ready(over),
            None => {
                *self.task.borrow_mut() = Some(context.waker().clone());
                Poll::Pending
            }
        })
        .await
    }

    fn wake_task(&self) {
        if let Some(task) = self.task.borrow_mut().take() {
            task.wake();
        }
    }
}

impl Source for Reception {
    fn socket(&self) -> &std::net::TcpStream {
        &self.socket
    }

    fn turn(&self, gulp: bool, now: time::Instant) -> Turned {
        if self.over.borrow().is_some() {
            return Turned::Over;
        }
        let mut at_work = self.at_work.borrow_mut();
        at_work.publisher.gathers(gulp);
        let read = at_work.read(&self.socket);
        // What came before the end is not lost.
        let (heard, taken) = at_work.take_in(now.into_std());
        if heard && self.patience.heard(now) {
            self.wake_task();
        }
        let over = match (taken, read) {
            (Ok(ControlFlow::Continue(())), Ok(turned)) => match at_work.write(&self.socket) {
                Ok(()) => return turned,
                Err(ended) => Err(ended),
            },
            (Ok(ControlFlow::Break(())), _) => Ok(()),
            (Err(ended), _) | (_, Err(ended)) => Err(ended),
        };
        *self.over.borrow_mut() = Some(over);
        self.wake_task();
        Turned::Over
    }

    fn approach(&self) {
        trail::fetch(self);
    }

    fn fetch(&self) {
        self.at_work.borrow().publisher.fetch();
    }
}

impl AtWork {
    /// Gives the session what has come.
    fn read(&mut self, socket: &std::net::TcpStream) -> Result<Turned, Ended> {
        let Connection { shard, session, .. } = &mut self.connection;
        let read = shard.read_to_share(|buffer| net::read_unwatched(socket, buffer))?;
        let Some(bytes) = read else {
            return Ok(Turned::Empty);
        };
        session.input_shared(&bytes)?;
        Ok(match bytes.len() {
            limits::READ_BYTES => Turned::More,
            _ => Turned::Empty,
        })
    }

    /// Publishes what the session has read; says whether that was any, and whether the peer ended it.
    fn take_in(&mut self, now: Instant) -> (bool, Result<ControlFlow<()>, Ended>) {
        let mut heard = false;
        let mut taken = Ok(ControlFlow::Continue(()));
        while let (Ok(ControlFlow::Continue(())), Some(event)) =
            (&taken, self.connection.session.poll())
        {
            taken = match event {
                Event::Media(media) => {
                    heard = true;
                    let accepted = accept(&mut self.publisher, media, now);
                    accepted
                        .map(ControlFlow::Continue)
                        .map_err(|Superseded| Ended::TakenOver)
                }
                Event::Unpublish | Event::Stop => Ok(ControlFlow::Break(())),
                _ => Ok(ControlFlow::Continue(())),
            };
        }
        if heard {
            self.publisher.flush();
            for addresses in self.connection.session.needs_at() {
                self.publisher.trail().note_at(addresses);
            }
        }
        (heard, taken)
    }

    /// Sends what the session has to say. A peer that never reads our acknowledgements is heard all the
    /// same, as long as they are few.
    fn write(&mut self, mut socket: &std::net::TcpStream) -> Result<(), Ended> {
        let output = self.connection.session.output();
        if output.is_empty() {
            return Ok(());
        }
        match socket.write(output) {
            // A connection that has said all keeps no memory for it.
            Ok(written) if written == output.len() => *output = BytesMut::new(),
            Ok(written) => output.advance(written),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(Ended::Hangup(error)),
        }
        match self.connection.session.output().len() > limits::REPLY_BYTES_MAX {
            true => Err(Ended::Deaf),
            false => Ok(()),
        }
    }
}

/// How long a publisher may be silent. The timer is not set again for each frame: when it has run down it
/// looks whether one has come since.
struct Patience {
    first: Duration,
    then: Duration,
    last_heard: Cell<Option<time::Instant>>,
}

impl Patience {
    fn new(settings: &settings::Publish) -> Self {
        Self {
            first: settings.first_media_timeout.get(),
            then: settings.timeout.get(),
            last_heard: Cell::default(),
        }
    }

    /// Media came at `now`; answers whether they were the first: then the timer was set with another
    /// patience.
    fn heard(&self, now: time::Instant) -> bool {
        self.last_heard.replace(Some(now)).is_none()
    }

    async fn runs_out(&self) -> Ended {
        let began = time::Instant::now();
        let timer = time::sleep(self.first);
        tokio::pin!(timer);
        poll_fn(|context| {
            loop {
                let (since, patience) = match self.last_heard.get() {
                    Some(heard) => (heard, self.then),
                    None => (began, self.first),
                };
                let runs_out = since + patience;
                if timer.is_elapsed() || runs_out < timer.deadline() {
                    timer.as_mut().reset(runs_out);
                }
                ready!(timer.as_mut().poll(context));
                if timer.deadline() == runs_out {
                    return Poll::Ready(Ended::PublisherSilent(patience));
                }
            }
        })
        .await
    }
}

/// Hands one RTMP message to the hub; what is no frame is dropped and said.
pub(super) fn accept(
    publisher: &mut LocalPublisher,
    media: Media,
    now: Instant,
) -> Result<(), Superseded> {
    match frame(publisher.stream().path(), media) {
        Some(frame) => publisher.publish(frame, now),
        None => Ok(()),
    }
}

/// The frame that an RTMP message is; what is none is said.
pub(super) fn frame(stream: &StreamPath, media: Media) -> Option<Frame> {
    let dts = MediaTime::from_millis(i64::from(media.timestamp));
    let read = flv::frame(media.kind, dts, media.body);
    read.inspect_err(|error| {
        metrics::counter!("weir_frames_malformed_total").increment(1);
        if let Some(unsaid) = BAD_FRAMES.permit(Instant::now()) {
            tracing::warn!(%stream, %error, unsaid, "a frame was dropped: it is malformed");
        }
    })
    .ok()
}

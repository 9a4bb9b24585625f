//! Takes in what an encoder, or another node's forward, publishes over RTMP.

use super::server::{Connection, Ended};
use crate::{
    hub::{Epoch, PublisherInfo, PublisherKind, Superseded},
    limits,
    local::LocalPublisher,
    net, settings,
};
use media::{Frame, MediaTime, StreamPath};
use rtmp::{Media, Status, server::Event, status::code};
use service::Throttle;
use std::{
    cell::Cell,
    future::poll_fn,
    mem,
    ops::ControlFlow,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Poll, ready},
    time::{Duration, Instant, SystemTime},
};
use tokio::{
    net::TcpStream,
    time::{self, Sleep},
};

/// One line a second about frames that cannot be, however many come.
static BAD_FRAMES: Throttle = Throttle::new(Duration::from_secs(1));

/// Publishes `path` until the peer ends it (`Ok`) or the connection is over.
///
/// `backup` if the peer says that another, elsewhere, sends the same.
pub(super) async fn publish(
    connection: &mut Connection,
    path: &StreamPath,
    backup: bool,
) -> Result<(), Ended> {
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
    tracing::info!(stream = %path, %peer, protocol = "rtmp", backup, "publisher joined");
    let began = Instant::now();
    let publisher = LocalPublisher::new(publisher, &connection.shard);
    let ended = receive(connection, publisher).await;
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
    ended
}

async fn receive(connection: &mut Connection, mut publisher: LocalPublisher) -> Result<(), Ended> {
    let patience = Patience::new(&connection.settings.publish);
    let closing = connection.shard.closing().clone();
    let superseded = publisher.superseded();
    let over = async {
        tokio::select! {
            ended = patience.runs_out() => ended,
            () = superseded => Ended::TakenOver,
            () = closing.cancelled() => Ended::Closing,
        }
    };
    tokio::pin!(over);
    let mut gulps = Gulps::new(&connection.socket);
    loop {
        let mut heard = false;
        while let Some(event) = connection.session.poll() {
            match take(event, &mut publisher, &mut heard)? {
                ControlFlow::Continue(()) => {}
                ControlFlow::Break(()) => return Ok(()),
            }
        }
        // Straight after a frame nothing of `over` can be but the shard's closing: the hub has just taken
        // the frame, and the timer lies ahead. Each of the three would cost memory that is not in the cache.
        let mut goes_on = false;
        if heard {
            publisher.flush();
            publisher.trail().note(&connection.session);
            for addresses in connection.session.needs_at() {
                publisher.trail().note_at(addresses);
            }
            goes_on = patience.heard(time::Instant::now()) && !closing.is_cancelled();
        }
        publisher.gathers(gulps.keep_pace(connection.shard.pace().window()));
        tokio::select! {
            biased;
            never = publisher.expect() => match never {},
            turned = connection.turn() => turned?,
            () = gulps.due() => connection.read_unasked()?,
            // When woken again in this wait, it may be by one of them.
            ended = poll_fn(|context| match mem::take(&mut goes_on) {
                true => Poll::Pending,
                false => over.as_mut().poll(context),
            }) => return Err(ended),
        }
    }
}

/// How long a publisher may be silent. The timer is not set again for each frame: when it has run down it
/// looks whether one has come since.
struct Patience {
    first: Duration,
    then: Duration,
    last_heard: Cell<Option<time::Instant>>,
    /// When the timer runs down; `None` before it is set.
    runs_down: Cell<Option<time::Instant>>,
}

impl Patience {
    fn new(settings: &settings::Publish) -> Self {
        Self {
            first: settings.first_media_timeout.get(),
            then: settings.timeout.get(),
            last_heard: Cell::default(),
            runs_down: Cell::default(),
        }
    }

    /// Media came at `now`; answers whether the timer is set and will wake the task later.
    fn heard(&self, now: time::Instant) -> bool {
        let is_first = self.last_heard.replace(Some(now)).is_none();
        // The timer was set with another patience.
        !is_first && self.runs_down.get().is_some_and(|at| now < at)
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
                self.runs_down.set(Some(timer.deadline()));
                ready!(timer.as_mut().poll(context));
                if timer.deadline() == runs_out {
                    return Poll::Ready(Ended::PublisherSilent(patience));
                }
            }
        })
        .await
    }
}

/// When to read. While the shard gathers what it sends, it lets what comes gather in the kernel, too: to be
/// woken for each frame of each publisher would cost more than all the rest.
///
/// Dropped with its publish: what the peer says afterwards is heard at once again.
struct Gulps {
    socket: Rc<TcpStream>,
    /// From one to the next; zero while what comes is read at once.
    every: Duration,
    timer: Pin<Box<Sleep>>,
}

impl Gulps {
    fn new(socket: &Rc<TcpStream>) -> Self {
        Self {
            socket: socket.clone(),
            every: Duration::ZERO,
            timer: Box::pin(time::sleep(Duration::ZERO)),
        }
    }

    /// To be called after each read, with the time for which the shard gathers; says whether this publisher
    /// is read in gulps from now on.
    fn keep_pace(&mut self, window: Duration) -> bool {
        if window.is_zero() != self.every.is_zero() {
            let bytes = if window.is_zero() {
                1
            } else {
                limits::GULP_BYTES
            };
            self.wake_at(bytes);
        }
        self.every = window;
        if !window.is_zero() {
            self.timer.as_mut().reset(time::Instant::now() + window);
        }
        !window.is_zero()
    }

    fn wake_at(&self, bytes: i32) {
        if let Err(error) = net::wake_at(&self.socket, bytes) {
            // Costs time, and nothing else.
            tracing::debug!(%error, "the kernel takes no low-water mark");
        }
    }

    /// Resolves when it is time for the next.
    async fn due(&mut self) {
        match self.every.is_zero() {
            true => std::future::pending().await,
            false => self.timer.as_mut().await,
        }
    }
}

impl Drop for Gulps {
    fn drop(&mut self) {
        if !self.every.is_zero() {
            self.wake_at(1);
        }
    }
}

fn take(
    event: Event,
    publisher: &mut LocalPublisher,
    heard: &mut bool,
) -> Result<ControlFlow<()>, Ended> {
    match event {
        Event::Media(media) => {
            *heard = true;
            accept(publisher, media).map_err(|_| Ended::TakenOver)?;
        }
        Event::Unpublish | Event::Stop => return Ok(ControlFlow::Break(())),
        _ => {}
    }
    Ok(ControlFlow::Continue(()))
}

/// Hands one RTMP message to the hub; what is no frame is dropped and said.
pub(super) fn accept(publisher: &mut LocalPublisher, media: Media) -> Result<(), Superseded> {
    match frame(publisher.stream().path(), media) {
        Some(frame) => publisher.publish(frame, Instant::now()),
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

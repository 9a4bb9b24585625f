//! Passes a stream that is published here on to another node, and keeps what that one has not
//! acknowledged: if it dies, the next one gets all of it.
//!
//! RTMP messages are taken in order, so the answer to a ping that was sent behind frame N acknowledges
//! every frame up to N. A node that has taken a frame in has not passed it on yet; so a second more than
//! that is kept, from a key frame on: [`window`]. Another origin gets the headers and all that is kept,
//! with the timestamps that the first one got.
//!
//! The publisher notices nothing: it is never made to wait, whatever becomes of the push.

mod window;

use super::{
    client::{Client, ClientError},
    introduction::Introduction,
};
use crate::{
    dial::Dialler,
    hub::Stream,
    limits,
    shard::Shard,
    tape::{Piece, cursor::Subscriber},
    target::TargetError,
};
use media::StreamPath;
use rtmp::{
    Status, Url,
    client::{Event, Purpose},
    status::code,
};
use std::{
    collections::VecDeque,
    future::poll_fn,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time;
use window::Window;

/// Why a connection of a push is over. Trying again is safe in every case.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The connection was refused, or broke.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// It did not come about in time.
    #[error("it did not let us publish within {:?}", limits::PUSH_OPEN_TIMEOUT)]
    NoAnswer,
    /// The stream's names do not fit into a URL there.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The node acknowledges nothing any more.
    #[error("it has acknowledged nothing for {0:?}")]
    Silent(Duration),
}

impl PushError {
    /// Whether the node refuses because it has another publisher, or another node owns the stream: it
    /// lives, and does as it should.
    pub fn is_refusal(&self) -> bool {
        let bad_name = |status: &Status| status.code == code::PUBLISH_BAD_NAME;
        matches!(self, Self::Client(ClientError::Refused(status)) if bad_name(status))
    }
}

/// Where a connection goes, and what is demanded of it.
#[derive(Debug, Clone)]
pub struct Destination {
    /// Where.
    pub url: Url,
    /// How we introduce ourselves.
    pub introduction: Introduction,
    /// How long it may acknowledge nothing.
    pub silence_max: Duration,
    /// Whether it is known to answer pings. A server that is not Weir's need not: it is held to that only
    /// once it has answered one.
    pub answers: bool,
}

/// A stream's push, over all its connections.
pub struct Push {
    stream: Arc<Stream>,
    subscriber: Subscriber,
    window: Window,
    /// Bytes that are not acknowledged, as the gauge has them.
    unacknowledged: f64,
}

impl Push {
    /// Begins to keep what is published as `path`.
    pub fn new(shard: &Rc<Shard>, path: &StreamPath) -> Self {
        let subscriber = shard.follow(path);
        Self {
            stream: subscriber.stream().clone(),
            subscriber,
            window: Window::default(),
            unacknowledged: 0.0,
        }
    }

    /// The stream.
    pub fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }

    /// Waits for `meanwhile`, and keeps what is published in that time.
    pub async fn keep<T>(&mut self, meanwhile: impl Future<Output = T>) -> T {
        tokio::pin!(meanwhile);
        loop {
            tokio::select! {
                biased;
                done = &mut meanwhile => return done,
                piece = next(&mut self.subscriber) => self.take(piece),
            }
        }
    }

    /// Connects once and passes the stream on, from all that is kept, until `ends` says that its publisher
    /// has gone (`Ok`) or the connection is over.
    ///
    /// # Errors
    /// Why the connection is over.
    pub async fn run(
        &mut self,
        dialler: &Dialler,
        to: &Destination,
        ends: impl Future<Output = ()>,
    ) -> Result<(), PushError> {
        tokio::pin!(ends);
        let opening = Client::open(dialler, &to.url, Purpose::Publish, &to.introduction);
        let opening = time::timeout(limits::PUSH_OPEN_TIMEOUT, opening);
        let opened = tokio::select! {
            opened = self.keep(opening) => opened.map_err(|_| PushError::NoAnswer)?,
            () = &mut ends => return Ok(()),
        };
        self.window.reopen();
        let mut line = Line {
            client: opened?,
            next: 0,
            expected: None,
            pings: Pings::new(to),
        };
        let ended = self.pass_on(&mut line, &mut ends).await;
        self.show(0);
        if ended.is_ok() {
            let finishing = self.finish(&mut line);
            let _unsaid = time::timeout(limits::FAREWELL_TIMEOUT, finishing).await;
        }
        ended
    }

    async fn pass_on(
        &mut self,
        line: &mut Line,
        ends: &mut (impl Future<Output = ()> + Unpin),
    ) -> Result<(), PushError> {
        let mut ticks = time::interval(limits::PUSH_PING_INTERVAL);
        ticks.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
        loop {
            while let Some(piece) = self.subscriber.try_next() {
                self.take(piece);
            }
            line.send_all(&self.window, &self.stream);
            tokio::select! {
                biased;
                () = &mut *ends => return Ok(()),
                turned = line.client.turn() => {
                    turned?;
                    if let Some(seq) = line.heed()? {
                        self.window.acknowledge(seq);
                        self.show(self.window.bytes_from(seq));
                    }
                }
                piece = next(&mut self.subscriber) => self.take(piece),
                _ = ticks.tick() => {
                    line.pings.judge(Instant::now())?;
                    let number = line.pings.sent(line.next, Instant::now());
                    line.client.session.ping(number);
                }
            }
        }
    }

    /// Sends what the publisher had sent when it went, and says goodbye.
    async fn finish(&mut self, line: &mut Line) -> Result<(), PushError> {
        let end = self.stream.next_seq();
        loop {
            while let Some(piece) = self.subscriber.try_next() {
                self.take(piece);
            }
            line.send_all(&self.window, &self.stream);
            if self.subscriber.has_reached(end) && self.window.next(line.next).is_none() {
                line.client.session.close();
                return Ok(line.client.flush().await.map_err(ClientError::from)?);
            }
            tokio::select! {
                turned = line.client.turn() => turned?,
                piece = next(&mut self.subscriber) => self.take(piece),
            }
        }
    }

    fn take(&mut self, piece: Piece) {
        let lost = self.window.push(piece);
        if lost > 0 {
            metrics::counter!("weir_push_dropped_frames_total").increment(lost as u64);
            tracing::warn!(stream = %self.stream.path(), frames = lost,
                "frames that no origin has acknowledged are given up: there are too many");
        }
    }

    fn show(&mut self, unacknowledged: usize) {
        let now = unacknowledged as f64;
        metrics::gauge!("weir_push_unacknowledged_bytes").increment(now - self.unacknowledged);
        self.unacknowledged = now;
    }
}

impl Drop for Push {
    fn drop(&mut self) {
        self.show(0);
    }
}

/// The next frame; waits for ever once there will be none: whoever says that the publisher has gone ends
/// the push.
async fn next(subscriber: &mut Subscriber) -> Piece {
    poll_fn(|context| match subscriber.poll_next(context) {
        std::task::Poll::Ready(Some(piece)) => std::task::Poll::Ready(piece),
        std::task::Poll::Ready(None) | std::task::Poll::Pending => std::task::Poll::Pending,
    })
    .await
}

/// One connection, and what it has been sent.
struct Line {
    client: Client,
    /// The number of the frame to send next.
    next: u64,
    /// The number that follows on the last one: another means that some were given up.
    expected: Option<u64>,
    pings: Pings,
}

impl Line {
    /// Sends what is kept, as far as the connection has room.
    fn send_all(&mut self, window: &Window, stream: &Stream) {
        while self.client.session.output().len() < limits::FORWARD_BYTES_MAX
            && let Some(piece) = window.next(self.next)
        {
            if self.expected != Some(piece.seq) {
                for header in piece.start.iter().flat_map(|headers| headers.iter()) {
                    self.send(header, piece.dts.wire(), stream);
                }
            }
            self.send(piece, piece.dts.wire(), stream);
            self.next = piece.seq + 1;
            self.expected = Some(self.next);
        }
    }

    fn send(&mut self, piece: &Piece, time: u32, stream: &Stream) {
        stream.totals().sent(piece.bytes.len() as u64);
        self.client.session.send(piece.kind, time, &piece.bytes);
    }

    /// Everything before which frame is acknowledged, if that is news.
    fn heed(&mut self) -> Result<Option<u64>, ClientError> {
        let mut acknowledged = None;
        while let Some(event) = self.client.session.poll() {
            match event {
                Event::Pong(number) => {
                    acknowledged = self.pings.answered(number, Instant::now()).or(acknowledged);
                }
                Event::Ended(status) => return Err(ClientError::Refused(status)),
                // Dialling again follows the redirect.
                Event::Redirect(_) => return Err(ClientError::RedirectLoop),
                _ => {}
            }
        }
        Ok(acknowledged)
    }
}

/// The pings that are not answered yet. Pure.
#[derive(Debug)]
struct Pings {
    /// Number, the first frame behind it, and when it was sent.
    sent: VecDeque<(u32, u64, Instant)>,
    numbers: u32,
    /// When the last answer came.
    heard: Option<Instant>,
    silence_max: Duration,
    answers: bool,
}

impl Pings {
    fn new(to: &Destination) -> Self {
        Self {
            sent: VecDeque::new(),
            numbers: 0,
            heard: None,
            silence_max: to.silence_max,
            answers: to.answers,
        }
    }

    /// The number of the ping that is sent now, with everything before frame `seq` ahead of it.
    fn sent(&mut self, seq: u64, now: Instant) -> u32 {
        self.numbers = self.numbers.wrapping_add(1);
        self.sent.push_back((self.numbers, seq, now));
        // A server that never answers is not asked to remember, nor are we.
        if !self.answers && self.sent.len() > 64 {
            self.sent.pop_front();
        }
        self.numbers
    }

    fn answered(&mut self, number: u32, now: Instant) -> Option<u64> {
        let at = self.sent.iter().position(|(sent, ..)| *sent == number)?;
        let (_, seq, when) = self.sent.drain(..=at).next_back()?;
        (self.answers, self.heard) = (true, Some(now));
        let took = now.saturating_duration_since(when);
        metrics::histogram!("weir_push_acknowledged_seconds").record(took);
        Some(seq)
    }

    /// Whether the node has been silent for too long, though it was asked.
    fn judge(&self, now: Instant) -> Result<(), PushError> {
        let Some((_, _, asked)) = self.sent.front().filter(|_| self.answers) else {
            return Ok(());
        };
        let since = self.heard.map_or(*asked, |heard| heard.max(*asked));
        match now.saturating_duration_since(since) >= self.silence_max {
            true => Err(PushError::Silent(self.silence_max)),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SILENCE: Duration = Duration::from_secs(1);

    fn pings(answers: bool) -> Pings {
        Pings {
            sent: VecDeque::new(),
            numbers: 0,
            heard: None,
            silence_max: SILENCE,
            answers,
        }
    }

    #[test]
    fn an_answer_acknowledges_what_was_sent_before_its_ping() {
        let (mut pings, now) = (pings(true), Instant::now());
        let numbers: Vec<u32> = [10, 20, 30].map(|seq| pings.sent(seq, now)).into();
        assert_eq!(pings.answered(numbers[1], now), Some(20));
        assert_eq!(pings.answered(numbers[0], now), None, "it was passed over");
        assert_eq!(pings.answered(99, now), None, "nobody asked");
        assert_eq!(pings.answered(numbers[2], now), Some(30));
    }

    #[test]
    fn silence_counts_from_the_last_answer_and_only_where_one_is_due() {
        let (mut pings, began) = (pings(true), Instant::now());
        let at = |millis| began + Duration::from_millis(millis);
        assert!(pings.judge(at(5_000)).is_ok(), "nothing was asked");
        let first = pings.sent(1, at(5_000));
        pings.sent(2, at(5_250));
        assert!(pings.judge(at(5_999)).is_ok());
        assert!(pings.judge(at(6_000)).is_err());
        pings.answered(first, at(5_900));
        assert!(pings.judge(at(6_800)).is_ok(), "it answers, though late");
        assert!(pings.judge(at(6_900)).is_err());
    }

    #[test]
    fn a_server_that_never_answered_a_ping_is_not_held_to_it() {
        let (mut pings, began) = (pings(false), Instant::now());
        let first = pings.sent(1, began);
        assert!(pings.judge(began + 60 * SILENCE).is_ok());
        pings.answered(first, began);
        pings.sent(2, began);
        assert!(pings.judge(began + SILENCE).is_err());
        for seq in 0..1_000 {
            self::pings(false).sent(seq, began);
        }
    }
}

//! One publisher: an RTMP client session that sends its reel in real time.

use super::{
    reasons::Why,
    socket::{self, Poller, Received},
};
use crate::{
    clock::Moment,
    dialogue::session,
    footage::{Footage, Reel},
    histogram::Histogram,
    limits,
    target::Target,
};
use rtmp::client::{Event, Purpose, Session};
use std::{os::fd::OwnedFd, time::Duration};

/// A publisher's stay.
#[derive(Debug)]
pub(super) struct Publisher {
    socket: OwnedFd,
    token: u64,
    session: Session,
    reel: Reel,
    /// How long after it was let in its first frame is due, so that not all send at once.
    offset: Duration,
    began: Option<Moment>,
    is_connected: bool,
    waits_for_room: bool,
    number: u64,
    body: Vec<u8>,
    /// Frames that were left out because the server took none.
    pub(super) frames_left_out: u64,
}

impl Publisher {
    /// Begins to connect.
    pub(super) fn join(
        target: &Target,
        (stream, streams): (u32, u32),
        footage: Footage,
        token: u64,
        poller: &Poller,
    ) -> Result<Self, Why> {
        let socket = socket::connect(target.address()).map_err(|error| Why::connect(&error))?;
        poller
            .add(&socket, token, true)
            .map_err(|error| Why::io(&error))?;
        let interval = Duration::from_secs(1) / footage.pictures_per_second.max(1);
        Ok(Self {
            socket,
            token,
            session: session(&target.url(stream, streams), Purpose::Publish),
            reel: Reel::new(footage, fastrand::u64(..)),
            offset: interval.mul_f64(f64::from(stream) / f64::from(streams.max(1))),
            began: None,
            is_connected: false,
            waits_for_room: true,
            number: 0,
            body: Vec::new(),
            frames_left_out: 0,
        })
    }

    /// Takes what its socket has for it; whether it may publish since now.
    pub(super) fn ready(
        &mut self,
        readable: bool,
        writable: bool,
        poller: &mut Poller,
    ) -> Result<bool, Why> {
        if !self.is_connected {
            if !writable {
                return Ok(false);
            }
            socket::connected(&self.socket).map_err(|error| Why::connect(&error))?;
            self.is_connected = true;
        }
        let mut begins = false;
        if readable {
            let (received, bytes) = poller.read(&self.socket).map_err(|error| Why::io(&error))?;
            if received == Received::End {
                return Err(Why::ClosedByServer);
            }
            let outcome = self.session.input(bytes);
            while let Some(event) = self.session.poll() {
                match event {
                    Event::Publishing => begins = true,
                    Event::Ended(status) => return Err(Why::Refused(status.code.into())),
                    Event::Redirect(_) => return Err(Why::Refused("a redirect".into())),
                    _ => {}
                }
            }
            outcome.map_err(|error| Why::Broken(error.to_string()))?;
        }
        if begins {
            self.began = Some(Moment::now() + self.offset);
            for (kind, body) in self.reel.headers() {
                self.session.send(kind, 0, &body);
            }
        }
        self.flush(poller)?;
        Ok(begins)
    }

    /// When its next frame is due; `None` until it may publish.
    pub(super) fn due(&self) -> Option<Moment> {
        Some(self.began? + self.reel.next().due)
    }

    /// Sends what is due; says how many frames, and records how late we were with each.
    pub(super) fn send_due(
        &mut self,
        lateness: &mut Histogram,
        poller: &Poller,
    ) -> Result<u64, Why> {
        let before = self.number;
        while let Some(due) = self.due() {
            let now = Moment::now();
            if due > now {
                break;
            }
            if self.session.output().len() > limits::PUBLISHER_WAITING_BYTES_MAX {
                self.reel.skip();
                self.frames_left_out += 1;
                continue;
            }
            lateness.record(now.since(due));
            let next = self.reel.write(self.number, now, &mut self.body);
            self.number += 1;
            // 32 bits of milliseconds, which wrap.
            let timestamp = next.due.as_millis() as u32;
            self.session.send(next.kind, timestamp, &self.body);
        }
        self.flush(poller)?;
        Ok(self.number - before)
    }

    /// Says goodbye, as far as the socket takes it.
    pub(super) fn leave(mut self) {
        self.session.close();
        // Whatever comes of it, the socket closes.
        let _ = socket::flush(&self.socket, self.session.output());
    }

    fn flush(&mut self, poller: &Poller) -> Result<(), Why> {
        let sent =
            socket::flush(&self.socket, self.session.output()).map_err(|error| Why::io(&error))?;
        if self.waits_for_room == sent {
            self.waits_for_room = !sent;
            poller
                .modify(&self.socket, self.token, !sent)
                .map_err(|error| Why::io(&error))?;
        }
        Ok(())
    }
}

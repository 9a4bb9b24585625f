//! One player: its socket, and as much of a dialogue as its manner needs.
//!
//! ```text
//!  Connecting ─▶ Opening ─┬─▶ Checking     dialogue and checker kept, read at once
//!                         ├─▶ Discarding   dialogue gone, emptied in turn by the kernel
//!                         ├─▶ Dawdling     the same, a little at a time
//!                         └─▶ Stalled      not read again
//! ```

use super::{
    reasons::Why,
    socket::{self, Poller, Received},
};
use crate::{
    check::{Checker, Findings},
    clock::Moment,
    dialogue::{Dialogue, DialogueError, Heard, sign_of_life},
    limits,
    plan::Manner,
    target::{Protocol, Target},
};
use std::{os::fd::OwnedFd, time::Duration};

/// A player's stay.
#[derive(Debug)]
pub(super) struct Player {
    socket: OwnedFd,
    token: u64,
    manner: Manner,
    protocol: Protocol,
    joined: Moment,
    state: State,
    waits_for_room: bool,
    last_sign: Moment,
    last_sip: Moment,
    /// Bytes received in all.
    pub(super) received: u64,
    /// Bytes received before the measured time.
    pub(super) received_before: u64,
    /// Whether it was there when the measured time began.
    pub(super) is_of_the_first: bool,
}

#[derive(Debug)]
enum State {
    Connecting(Dialogue),
    Opening(Dialogue),
    Checking(Box<(Dialogue, Checker)>),
    Discarding,
    Dawdling,
    Stalled,
}

/// What a thread lends its players.
pub(super) struct Desk<'a> {
    pub(super) poller: &'a mut Poller,
    pub(super) findings: &'a mut Findings,
    pub(super) heard: &'a mut Vec<Heard>,
    pub(super) demands_stamps: bool,
    pub(super) slow_bytes_per_second: u64,
}

impl Player {
    /// Begins to connect.
    pub(super) fn join(
        target: &Target,
        (stream, streams): (u32, u32),
        manner: Manner,
        token: u64,
        poller: &Poller,
    ) -> Result<Self, Why> {
        let joined = Moment::now();
        let socket = socket::connect(target.address()).map_err(|error| Why::connect(&error))?;
        poller
            .add(&socket, token, true)
            .map_err(|error| Why::io(&error))?;
        Ok(Self {
            socket,
            token,
            manner,
            protocol: target.protocol(),
            joined,
            state: State::Connecting(Dialogue::play(target, stream, streams)),
            waits_for_room: true,
            last_sign: joined,
            last_sip: joined,
            received: 0,
            received_before: 0,
            is_of_the_first: false,
        })
    }

    pub(super) fn is_playing(&self) -> bool {
        !matches!(self.state, State::Connecting(_) | State::Opening(_))
    }

    /// Takes what its socket has for it.
    pub(super) fn ready(
        &mut self,
        readable: bool,
        writable: bool,
        desk: &mut Desk<'_>,
    ) -> Result<(), Why> {
        if let State::Connecting(_) = self.state {
            if !writable {
                return Ok(());
            }
            socket::connected(&self.socket).map_err(|error| Why::connect(&error))?;
            let state = std::mem::replace(&mut self.state, State::Stalled);
            if let State::Connecting(dialogue) = state {
                self.state = State::Opening(dialogue);
            }
        }
        if readable {
            self.read(desk)?;
        }
        self.flush(desk.poller)
    }

    fn read(&mut self, desk: &mut Desk<'_>) -> Result<(), Why> {
        let dialogue = match &mut self.state {
            State::Opening(dialogue) => dialogue,
            State::Checking(checking) => &mut checking.0,
            _ => return Ok(()),
        };
        // One receive an event: the socket stays ready if there is more, and others have their turn.
        let (received, bytes) = desk
            .poller
            .read(&self.socket)
            .map_err(|error| Why::io(&error))?;
        let now = Moment::now();
        match received {
            Received::Nothing => return Ok(()),
            Received::End => return Err(Why::ClosedByServer),
            Received::Bytes(bytes) => self.received += bytes as u64,
        }
        desk.heard.clear();
        let outcome = dialogue.input(bytes, desk.heard);
        let mut ended = None;
        for heard in desk.heard.drain(..) {
            match heard {
                Heard::Playing if matches!(self.state, State::Opening(_)) => {
                    let state = std::mem::replace(&mut self.state, State::Stalled);
                    let State::Opening(dialogue) = state else {
                        continue;
                    };
                    self.state = match self.manner {
                        Manner::Checks => {
                            let checker = Checker::new(self.joined, desk.demands_stamps);
                            State::Checking(Box::new((dialogue, checker)))
                        }
                        Manner::Discards => State::Discarding,
                        Manner::Dawdles => State::Dawdling,
                        Manner::Stalls => State::Stalled,
                    };
                }
                Heard::Playing => {}
                Heard::Tag {
                    kind,
                    timestamp,
                    body,
                } => {
                    if let State::Checking(checking) = &mut self.state {
                        checking.1.see(kind, timestamp, body, now, desk.findings);
                    }
                }
                Heard::Ended(why) => ended = Some(Why::Ended(why)),
            }
        }
        match outcome {
            Ok(()) => {}
            Err(DialogueError::Refused(why)) => return Err(Why::Refused(why)),
            Err(DialogueError::Broken(what)) => {
                desk.findings.faults.broken_framing += 1;
                return Err(Why::Broken(what));
            }
        }
        if !matches!(self.state, State::Opening(_) | State::Checking(_)) {
            // From here on the kernel need not tell us.
            desk.poller
                .remove(&self.socket)
                .map_err(|error| Why::io(&error))?;
        }
        ended.map_or(Ok(()), Err)
    }

    fn flush(&mut self, poller: &Poller) -> Result<(), Why> {
        let dialogue = match &mut self.state {
            State::Opening(dialogue) => dialogue,
            State::Checking(checking) => &mut checking.0,
            _ => return Ok(()),
        };
        let sent = match dialogue.output() {
            Some(out) => socket::flush(&self.socket, out).map_err(|error| Why::io(&error))?,
            None => true,
        };
        if self.waits_for_room == sent {
            self.waits_for_room = !sent;
            poller
                .modify(&self.socket, self.token, !sent)
                .map_err(|error| Why::io(&error))?;
        }
        Ok(())
    }

    /// Its turn: takes away what has come for those that are not watched, and says that it is there.
    pub(super) fn take_turn(&mut self, now: Moment, desk: &mut Desk<'_>) -> Result<(), Why> {
        let most = match self.state {
            State::Connecting(_) | State::Opening(_) => {
                let waited = now.since(self.joined);
                return if waited > limits::JOIN_TIMEOUT {
                    Err(Why::JoinTimeout)
                } else {
                    Ok(())
                };
            }
            State::Checking(_) => return Ok(()),
            State::Stalled => 0,
            State::Discarding => limits::DISCARD_BYTES,
            State::Dawdling => self.sip(now, desk.slow_bytes_per_second),
        };
        if most > 0 {
            match desk
                .poller
                .discard(&self.socket, most)
                .map_err(|error| Why::io(&error))?
            {
                Received::Bytes(bytes) => self.received += bytes as u64,
                Received::Nothing => {}
                Received::End => return Err(Why::ClosedByServer),
            }
        } else if self.manner == Manner::Stalls {
            // It reads nothing, but it notices a reset.
            socket::connected(&self.socket).map_err(|error| Why::io(&error))?;
        }
        if self.protocol == Protocol::Rtmp && now.since(self.last_sign) > limits::KEEPALIVE_INTERVAL
        {
            self.last_sign = now;
            let mut out = sign_of_life(self.received, (now.as_micros() / 1_000) as u32);
            // A few bytes fit in a socket that nothing else is written to, or the server is deaf.
            socket::flush(&self.socket, &mut out).map_err(|error| Why::io(&error))?;
        }
        Ok(())
    }

    /// How much a slow player takes now.
    fn sip(&mut self, now: Moment, bytes_per_second: u64) -> usize {
        let passed = now.since(self.last_sip).min(Duration::from_secs(1));
        self.last_sip = now;
        (bytes_per_second as f64 * passed.as_secs_f64()) as usize
    }
}

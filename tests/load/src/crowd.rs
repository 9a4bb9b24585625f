//! One thread's share of a run: publishers and players on one epoll, without a task each.
//!
//! Checked players and publishers are served as their sockets say. All others are not watched at
//! all: each has its turn every so often, when the kernel throws away what has come. So a thousand
//! players cost the generator a few thousand cheap calls a second, and cost the server nothing that
//! real ones, far away, would not.
//!
//! ```text
//!  phase:   Publish ──▶ Join ──▶ Measure ──▶ Leave
//!  each turn: publish what is due · join who is due · churn · empty some sockets · wait for events
//! ```

pub(crate) mod board;
mod player;
mod publisher;
pub(crate) mod reasons;
mod socket;

use crate::{
    check::Findings,
    clock::Moment,
    dialogue::Heard,
    histogram::Histogram,
    limits,
    plan::{Manner, Part, Plan, Popularity},
};
use board::{Board, Phase};
use player::{Desk, Player};
use publisher::Publisher;
use reasons::{Reasons, Why};
use socket::{Poller, Ready};
use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    io,
    ops::Range,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

/// Marks a token as a publisher's; the rest is its index.
const PUBLISHER: u64 = 1 << 63;

/// What a thread gives back when everybody has left.
#[derive(Debug, Default)]
pub(crate) struct Harvest {
    pub(crate) findings: Findings,
    /// Bytes that all players received in the measured time.
    pub(crate) bytes: u64,
    /// The same of each player that was there all the time and neither stalled nor dawdled.
    pub(crate) bytes_of_each: Vec<u64>,
    pub(crate) players_lost: Reasons,
    /// Those who stalled or dawdled.
    pub(crate) idlers_lost: Reasons,
    pub(crate) publishers_lost: Reasons,
    /// How late we were with frames: the generator's own fault.
    pub(crate) lateness: Histogram,
    pub(crate) frames_sent: u64,
    pub(crate) frames_left_out: u64,
}

/// A player's part, and the player while it is there.
#[derive(Debug)]
struct Seat {
    part: Part,
    player: Option<Player>,
}

/// A thread's share of a run.
pub(crate) struct Crowd {
    plan: Arc<Plan>,
    board: Arc<Board>,
    popularity: Popularity,
    poller: Poller,
    ready: Vec<Ready>,
    heard: Vec<Heard>,
    publishers: Vec<Option<Publisher>>,
    /// The first publisher's number: ours are a run of all.
    first_publisher: u32,
    due: BinaryHeap<Reverse<(Moment, usize)>>,
    seats: Vec<Seat>,
    /// Seats that were taken so far, in the order of joining.
    taken: usize,
    phase: Phase,
    phase_began: Moment,
    turn: usize,
    swept: Moment,
    churned: usize,
    churn_owed: f64,
    churn_reckoned: Moment,
    bytes_told: u64,
    faults_told: u64,
    harvest: Harvest,
    /// Bytes of players that are gone: since they came, and of the measured time.
    bytes_of_the_gone: u64,
}

impl Crowd {
    pub(crate) fn new(
        plan: Arc<Plan>,
        board: Arc<Board>,
        publishers: Range<u32>,
        parts: Vec<Part>,
    ) -> io::Result<Self> {
        let now = Moment::now();
        Ok(Self {
            popularity: Popularity::new(plan.streams, plan.zipf),
            plan,
            board,
            poller: Poller::new()?,
            ready: Vec::new(),
            heard: Vec::new(),
            first_publisher: publishers.start,
            publishers: publishers.map(|_| None).collect(),
            due: BinaryHeap::new(),
            seats: parts
                .into_iter()
                .map(|part| Seat { part, player: None })
                .collect(),
            taken: 0,
            phase: Phase::Publish,
            phase_began: now,
            turn: 0,
            swept: now,
            churned: 0,
            churn_owed: 0.0,
            churn_reckoned: now,
            bytes_told: 0,
            faults_told: 0,
            harvest: Harvest::default(),
            bytes_of_the_gone: 0,
        })
    }

    /// Plays its share until everybody has to leave.
    ///
    /// # Errors
    /// If the machine refuses what every run needs; a connection that fails is only counted.
    pub(crate) fn run(mut self) -> io::Result<Harvest> {
        self.publish();
        loop {
            let now = Moment::now();
            if self.follow(now) == Phase::Leave {
                return Ok(self.leave());
            }
            self.send_due(now);
            self.join_due(now);
            self.churn(now);
            self.sweep(now);
            self.tell();
            let wait = self.wait_for(Moment::now());
            self.poller.wait(wait, &mut self.ready)?;
            for index in 0..self.ready.len() {
                let Some(ready) = self.ready.get(index).copied() else {
                    break;
                };
                if ready.token & PUBLISHER == 0 {
                    self.serve_player(ready);
                } else {
                    self.serve_publisher(ready);
                }
            }
        }
    }

    fn follow(&mut self, now: Moment) -> Phase {
        let phase = self.board.phase();
        if phase == self.phase {
            return phase;
        }
        self.phase = phase;
        self.phase_began = now;
        self.churn_reckoned = now;
        if phase == Phase::Measure {
            self.harvest.findings.latency.clear();
            self.harvest.lateness.clear();
            self.harvest.bytes = 0;
            for seat in &mut self.seats {
                if let Some(player) = &mut seat.player {
                    player.received_before = player.received;
                    player.is_of_the_first = player.is_playing();
                }
            }
        }
        phase
    }

    fn publish(&mut self) {
        let plan = self.plan.clone();
        let Some(target) = &plan.publish else {
            return;
        };
        for index in 0..self.publishers.len() {
            let stream = (self.first_publisher + index as u32, plan.streams);
            let token = PUBLISHER | index as u64;
            match Publisher::join(target, stream, plan.footage, token, &self.poller) {
                Ok(publisher) => {
                    if let Some(place) = self.publishers.get_mut(index) {
                        *place = Some(publisher);
                    }
                }
                Err(why) => self.lose_publisher(index, false, &why),
            }
        }
    }

    fn serve_publisher(&mut self, ready: Ready) {
        let index = (ready.token & !PUBLISHER) as usize;
        let Some(Some(publisher)) = self.publishers.get_mut(index) else {
            return;
        };
        let was_publishing = publisher.due().is_some();
        match publisher.ready(ready.readable, ready.writable, &mut self.poller) {
            Ok(true) => {
                self.board.publishing.fetch_add(1, Relaxed);
                if let Some(due) = publisher.due() {
                    self.due.push(Reverse((due, index)));
                }
            }
            Ok(false) => {}
            Err(why) => self.lose_publisher(index, was_publishing, &why),
        }
    }

    fn send_due(&mut self, now: Moment) {
        while let Some(Reverse((due, index))) = self.due.peek().copied() {
            if due > now {
                break;
            }
            self.due.pop();
            let Some(Some(publisher)) = self.publishers.get_mut(index) else {
                continue;
            };
            match publisher.send_due(&mut self.harvest.lateness, &self.poller) {
                Ok(frames) => {
                    self.harvest.frames_sent += frames;
                    if let Some(due) = publisher.due() {
                        self.due.push(Reverse((due, index)));
                    }
                }
                Err(why) => self.lose_publisher(index, true, &why),
            }
        }
    }

    fn lose_publisher(&mut self, index: usize, was_publishing: bool, why: &Why) {
        if let Some(publisher) = self.publishers.get_mut(index).and_then(Option::take) {
            self.harvest.frames_left_out += publisher.frames_left_out;
        }
        if was_publishing {
            self.board.publishing.fetch_sub(1, Relaxed);
        }
        self.board.publishers_lost.fetch_add(1, Relaxed);
        self.harvest.publishers_lost.count(why);
    }

    fn join_due(&mut self, now: Moment) {
        if self.phase != Phase::Join {
            return;
        }
        let passed = now.since(self.phase_began);
        while let Some(seat) = self.seats.get(self.taken) {
            if seat.part.joins_after > passed {
                break;
            }
            self.join(self.taken);
            self.taken += 1;
        }
    }

    fn join(&mut self, index: usize) {
        let plan = self.plan.clone();
        let Some(seat) = self.seats.get_mut(index) else {
            return;
        };
        let Some(target) = plan.play.get(seat.part.target) else {
            return;
        };
        let stream = if plan.zipf > 0.0 {
            self.popularity.at(fastrand::f64())
        } else {
            // Whole rounds of targets go to one stream after the other.
            seat.part.number / plan.play.len().max(1) as u32 % plan.streams
        };
        let stream = (stream, plan.streams);
        match Player::join(target, stream, seat.part.manner, index as u64, &self.poller) {
            Ok(player) => seat.player = Some(player),
            Err(why) => self.lose_player(index, &why),
        }
    }

    fn churn(&mut self, now: Moment) {
        let all_have_joined = self.taken == self.seats.len();
        let passed = now.since(self.churn_reckoned);
        self.churn_reckoned = now;
        if self.plan.churn_rate <= 0.0 || !all_have_joined || self.seats.is_empty() {
            return;
        }
        let share = self.seats.len() as f64 / f64::from(self.plan.players.max(1));
        self.churn_owed += self.plan.churn_rate * share * passed.as_secs_f64();
        while self.churn_owed >= 1.0 {
            self.churn_owed -= 1.0;
            let index = self.churned % self.seats.len();
            self.churned += 1;
            if let Some(player) = self
                .seats
                .get_mut(index)
                .and_then(|seat| seat.player.take())
            {
                self.say_goodbye(&player);
            }
            self.join(index);
        }
    }

    fn serve_player(&mut self, ready: Ready) {
        let index = ready.token as usize;
        let Some(player) = self
            .seats
            .get_mut(index)
            .and_then(|seat| seat.player.as_mut())
        else {
            return;
        };
        let was_playing = player.is_playing();
        let mut desk = Desk {
            poller: &mut self.poller,
            findings: &mut self.harvest.findings,
            heard: &mut self.heard,
            demands_stamps: self.plan.publish.is_some(),
            slow_bytes_per_second: u64::from(self.plan.slow_bits_per_second) / 8,
        };
        let outcome = player.ready(ready.readable, ready.writable, &mut desk);
        if !was_playing && player.is_playing() {
            self.board.playing.fetch_add(1, Relaxed);
            self.board.joined.fetch_add(1, Relaxed);
        }
        if let Err(why) = outcome {
            self.lose_player(index, &why);
        }
    }

    /// Gives as many seats their turn as time has passed.
    fn sweep(&mut self, now: Moment) {
        let count = self.taken;
        if count == 0 {
            self.swept = now;
            return;
        }
        let interval = self.plan.drain_interval.max(Duration::from_micros(100));
        let share = now.since(self.swept).as_secs_f64() / interval.as_secs_f64();
        let turns = ((share * count as f64) as usize).min(count);
        if turns == 0 {
            return;
        }
        self.swept = now;
        for _ in 0..turns {
            let index = self.turn % count;
            self.turn = index + 1;
            let Some(player) = self
                .seats
                .get_mut(index)
                .and_then(|seat| seat.player.as_mut())
            else {
                continue;
            };
            let mut desk = Desk {
                poller: &mut self.poller,
                findings: &mut self.harvest.findings,
                heard: &mut self.heard,
                demands_stamps: self.plan.publish.is_some(),
                slow_bytes_per_second: u64::from(self.plan.slow_bits_per_second) / 8,
            };
            if let Err(why) = player.take_turn(now, &mut desk) {
                self.lose_player(index, &why);
            }
        }
    }

    fn lose_player(&mut self, index: usize, why: &Why) {
        self.board.lost.fetch_add(1, Relaxed);
        let Some(seat) = self.seats.get_mut(index) else {
            return;
        };
        let reasons = match seat.part.manner {
            Manner::Checks | Manner::Discards => &mut self.harvest.players_lost,
            Manner::Stalls | Manner::Dawdles => &mut self.harvest.idlers_lost,
        };
        reasons.count(why);
        if let Some(player) = seat.player.take() {
            self.say_goodbye(&player);
        }
    }

    /// Keeps what a player that is gone has counted.
    fn say_goodbye(&mut self, player: &Player) {
        if player.is_playing() {
            self.board.playing.fetch_sub(1, Relaxed);
        }
        self.bytes_of_the_gone += player.received;
        self.harvest.bytes += player.received - player.received_before;
    }

    /// Tells the board what the thread knows; cheap, but not for every turn.
    fn tell(&mut self) {
        let faults = self.harvest.findings.faults.total();
        self.board
            .faults
            .fetch_add(faults - self.faults_told, Relaxed);
        self.faults_told = faults;
        if self.turn < self.taken {
            return;
        }
        let players = self.seats.iter().filter_map(|seat| seat.player.as_ref());
        let bytes = self.bytes_of_the_gone + players.map(|player| player.received).sum::<u64>();
        self.board
            .bytes
            .fetch_add(bytes.saturating_sub(self.bytes_told), Relaxed);
        self.bytes_told = self.bytes_told.max(bytes);
    }

    fn wait_for(&self, now: Moment) -> Duration {
        let longest = if self.seats.is_empty() {
            Duration::from_millis(20)
        } else {
            limits::TICK
        };
        match self.due.peek() {
            Some(Reverse((due, _))) => due.since(now).min(longest),
            None => longest,
        }
    }

    /// Players first, so that they leave a stream that still is there.
    fn leave(mut self) -> Harvest {
        for seat in &mut self.seats {
            let Some(player) = seat.player.take() else {
                continue;
            };
            let bytes = player.received - player.received_before;
            self.harvest.bytes += bytes;
            let counts = matches!(seat.part.manner, Manner::Checks | Manner::Discards);
            if counts && player.is_of_the_first {
                self.harvest.bytes_of_each.push(bytes);
            }
        }
        for publisher in self.publishers.into_iter().flatten() {
            self.harvest.frames_left_out += publisher.frames_left_out;
            publisher.leave();
        }
        self.harvest
    }
}

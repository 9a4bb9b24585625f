//! `weir-load compare` and `weir-load floor`.

use super::{
    options::{Behaviour, Form, Media, Output, Run, bits},
    progress::Bar,
};
use anyhow::{Context, ensure};
use clap::{Args, ValueEnum};
use load::{
    Plan, Target,
    compare::{Contender, compare},
    floor::{self, Pieces},
    server::{Recipe, Via},
};
use std::net::{SocketAddr, TcpListener};

/// Whom Weir is compared with, when no command is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Peer {
    /// nginx with Debian's libnginx-mod-rtmp, one process; its players use RTMP.
    Nginx,
    /// Nobody.
    None,
}

/// `weir-load compare`
#[derive(Debug, Args)]
pub(crate) struct Compare {
    /// What players speak.
    #[arg(long, value_enum, default_value_t = Via::Rtmp)]
    via: Via,
    /// How often each server is loaded, in turn.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// A setting of Weir as an environment variable, WEIR_…=VALUE; may be repeated.
    #[arg(long = "weir-env", value_name = "KEY=VALUE", value_parser = setting)]
    weir_env: Vec<(String, String)>,
    /// Whom to compare with.
    #[arg(long, value_enum, default_value_t = Peer::Nginx)]
    peer: Peer,
    /// Another peer, by the command that starts it in the foreground; it must use one thread.
    #[arg(long, value_name = "COMMAND", requires = "peer_rtmp")]
    peer_cmd: Option<String>,
    /// Where to publish to that peer, and to play over RTMP from it.
    #[arg(long, value_name = "URL")]
    peer_rtmp: Option<Target>,
    /// Where to play over HTTP-FLV from it.
    #[arg(long, value_name = "URL")]
    peer_flv: Option<Target>,
    /// Leave out the bare loop.
    #[arg(long)]
    no_floor: bool,
    #[command(flatten)]
    media: Media,
    #[command(flatten)]
    behaviour: Behaviour,
    #[command(flatten)]
    run: Run,
    #[command(flatten)]
    output: Output,
}

impl Compare {
    pub(crate) fn run(&self) -> anyhow::Result<bool> {
        let env = self.weir_env.clone();
        let mut contenders = vec![Contender {
            name: "Weir".to_owned(),
            recipe: Recipe::Weir { env },
        }];
        if let (Some(command), Some(rtmp)) = (&self.peer_cmd, &self.peer_rtmp) {
            let is_rtmp = self.via == Via::Rtmp || self.peer_flv.is_some();
            ensure!(is_rtmp, "--peer-flv is needed: players are to use HTTP");
            contenders.push(Contender {
                name: "peer".to_owned(),
                recipe: Recipe::Command {
                    command: command.clone(),
                    rtmp: rtmp.clone(),
                    flv: self.peer_flv.clone(),
                },
            });
        } else if self.peer == Peer::Nginx {
            contenders.push(Contender {
                name: "nginx-rtmp".to_owned(),
                recipe: Recipe::Nginx,
            });
        }
        if !self.no_floor {
            contenders.push(Contender {
                name: "bare loop".to_owned(),
                recipe: Recipe::Floor(Pieces::of(&self.media.footage(), self.media.streams)),
            });
        }
        let mut plan = Plan::default();
        self.media.fill(&mut plan);
        self.behaviour.fill(&mut plan);
        self.run.fill(&mut plan);
        let rounds = self.rounds;
        let watcher = |name: &str, round: u32| {
            Bar::new(!self.output.quiet).titled(&format!("{name} {round}/{rounds}"))
        };
        let comparison = compare(
            &contenders,
            &plan,
            self.via,
            rounds,
            command_line(),
            watcher,
        )?;
        let json = comparison.to_json();
        let text = match self.output.form() {
            Form::Json => json.clone(),
            Form::Markdown => comparison.markdown(),
            Form::Table => comparison.plain(),
        };
        self.output.show(&text, &json)?;
        Ok(comparison.is_clean())
    }
}

/// `weir-load floor`
#[derive(Debug, Args)]
pub(crate) struct Floor {
    /// Bytes of each `send`; a frame's mean, unless given.
    #[arg(long, value_name = "BYTES")]
    piece_bytes: Option<u32>,
    /// Leave out TCP_NODELAY, as some servers do.
    #[arg(long)]
    nagle: bool,
    /// How often.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    #[command(flatten)]
    media: Media,
    #[command(flatten)]
    behaviour: Behaviour,
    #[command(flatten)]
    run: Run,
    #[command(flatten)]
    output: Output,
}

impl Floor {
    pub(crate) fn run(&self) -> anyhow::Result<bool> {
        let footage = self.media.footage();
        let mut pieces = Pieces::of(&footage, self.media.streams);
        pieces.nagle = self.nagle;
        if let Some(bytes) = self.piece_bytes {
            pieces.bytes = bytes;
        }
        let mut plan = Plan::default();
        self.behaviour.fill(&mut plan);
        self.run.fill(&mut plan);
        plan.check = 0;
        let contenders = [Contender {
            name: "bare loop".to_owned(),
            recipe: Recipe::Floor(pieces),
        }];
        let rounds = self.rounds;
        let watcher = |name: &str, round: u32| {
            Bar::new(!self.output.quiet).titled(&format!("{name} {round}/{rounds}"))
        };
        let comparison = compare(
            &contenders,
            &plan,
            Via::Rtmp,
            rounds,
            command_line(),
            watcher,
        )?;
        let json = comparison.to_json();
        let text = match self.output.form() {
            Form::Json => json.clone(),
            Form::Markdown => comparison.markdown(),
            Form::Table => comparison.plain(),
        };
        self.output.show(&text, &json)?;
        Ok(comparison.is_clean())
    }
}

/// `weir-load floor-server`: the bare loop itself, a process of its own so that its CPU time is.
#[derive(Debug, Args)]
pub(crate) struct FloorServer {
    /// Where to listen.
    #[arg(long, value_name = "IP:PORT")]
    listen: SocketAddr,
    /// Bytes of each `send`.
    #[arg(long, value_name = "BYTES")]
    piece_bytes: u32,
    /// Bits to each player in a second.
    #[arg(long, value_name = "BITS", value_parser = bits)]
    bitrate: u32,
    /// Streams of different bytes; players get them in turn.
    #[arg(long, value_name = "N", default_value_t = 1)]
    streams: u32,
    /// Leave out TCP_NODELAY.
    #[arg(long)]
    nagle: bool,
}

impl FloorServer {
    pub(crate) fn run(&self) -> anyhow::Result<bool> {
        let listener =
            listen(self.listen).with_context(|| format!("listening at {}", self.listen))?;
        let pieces = Pieces {
            bytes: self.piece_bytes,
            bits_per_second: self.bitrate,
            streams: self.streams,
            nagle: self.nagle,
        };
        floor::serve(&listener, pieces, || true)?;
        Ok(true)
    }
}

/// With room for as many as may join between two pieces.
fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    use socket2::{Domain, Socket, Type};
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(4096)?;
    Ok(socket.into())
}

/// A setting of Weir.
///
/// # Errors
/// If it is not `WEIR_…=VALUE`.
fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if key.starts_with("WEIR_") => Ok((key.to_owned(), value.to_owned())),
        _ => Err("WEIR_…=VALUE is expected".to_owned()),
    }
}

/// This command as it was given, to be given again.
fn command_line() -> String {
    let arguments = std::env::args().skip(1).map(|argument| {
        if argument.contains([' ', '\'', '"', '$', '&']) {
            format!("'{}'", argument.replace('\'', r"'\''"))
        } else {
            argument
        }
    });
    let words: Vec<_> = std::iter::once("weir-load".to_owned())
        .chain(arguments)
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_one_of_weirs() {
        let expected = ("WEIR_PLAY__WAIT".to_owned(), "1s".to_owned());
        assert_eq!(setting("WEIR_PLAY__WAIT=1s"), Ok(expected));
        assert!(setting("PATH=x").is_err() && setting("WEIR_X").is_err());
    }
}

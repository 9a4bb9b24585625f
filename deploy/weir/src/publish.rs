//! `weir publish`: a small honest encoder. It sends an FLV file over RTMP at the pace of its own clock.
//!
//! With `--loop` the file is sent round and round on one timeline (see [`rounds`]). With `--reconnect`
//! a lost server is dialled again, and the timeline goes on where it stopped, at the file's first
//! frame. `weir up --demo` publishes its clip by the same code.

mod clip;
mod rounds;

use crate::connection::Connection;
use anyhow::{Context, bail};
pub(crate) use clip::Clip;
use media::{Frame, MediaTime};
pub(crate) use rounds::Rounds;
use rtmp::{
    Url,
    client::{Event, Purpose},
};
use std::{path::PathBuf, time::Duration};
use tokio::time::{self, Instant};

/// The first wait before a lost server is dialled again, and the longest: short, because a node that
/// died is back within a second.
const RETRY_FIRST: Duration = Duration::from_millis(200);
const RETRY_LONGEST: Duration = Duration::from_secs(3);

/// Publish an FLV file over RTMP, in real time.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  weir publish talk.flv rtmp://127.0.0.1:1935/live/talk
  weir publish talk.flv rtmp://127.0.0.1:1935/live/talk --loop --reconnect
  ffmpeg -re -i talk.mp4 -c copy -f flv - | weir publish - rtmp://127.0.0.1:1935/live/talk")]
pub(crate) struct Options {
    /// The FLV file; `-` for standard input.
    file: PathBuf,
    /// Where to: rtmp://host[:port]/app/name[?token=…] or rtmps://….
    url: Url,
    /// Begin again at the file's end, on the same timeline.
    #[arg(long = "loop")]
    looped: bool,
    /// Faster or slower than real time.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = crate::play::positive)]
    speed: f64,
    /// Dial again, for ever, when the server is not there or goes away.
    #[arg(long)]
    reconnect: bool,
}

/// Publishes until the file's end, or for ever.
///
/// # Errors
/// If the file is no FLV, or the server refuses or goes away and we are not to try again.
pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let Options {
        file,
        url,
        looped,
        speed,
        reconnect,
    } = options;
    let clip = Clip::at(file);
    if matches!(clip, Clip::Stdin) && (looped || reconnect) {
        bail!("standard input can be read only once: --loop and --reconnect need a file");
    }
    let publishing = publish(
        &clip,
        &url,
        Manner {
            looped,
            speed,
            reconnect,
        },
        |news| match news {
            News::Publishing => eprintln!("weir: publishing to {url}"),
            News::Lost { reason, again_in } => {
                eprintln!(
                    "weir: {reason}; trying again in {:.1} s",
                    again_in.as_secs_f64()
                );
            }
        },
    );
    tokio::select! {
        ended = publishing => ended,
        _ = tokio::signal::ctrl_c() => Ok(()),
    }
}

/// How a clip is published.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    /// Round and round.
    pub(crate) looped: bool,
    /// Of real time.
    pub(crate) speed: f64,
    /// For ever.
    pub(crate) reconnect: bool,
}

/// What happens meanwhile.
#[derive(Debug)]
pub(crate) enum News {
    /// The server has let us publish.
    Publishing,
    /// It has not, or has gone.
    Lost {
        /// Why.
        reason: String,
        /// When it is dialled again.
        again_in: Duration,
    },
}

/// Publishes `clip` to `url`, and tells the news.
///
/// # Errors
/// As [`run`].
pub(crate) async fn publish(
    clip: &Clip,
    url: &Url,
    manner: Manner,
    mut news: impl FnMut(News),
) -> anyhow::Result<()> {
    let mut rounds = Rounds::default();
    let mut again_in = RETRY_FIRST;
    loop {
        let mut let_in = false;
        let published = once(clip, url, manner, &mut rounds, || {
            let_in = true;
            news(News::Publishing);
        });
        let reason = match published.await {
            Ok(()) => return Ok(()),
            Err(Failure::Server(error)) if manner.reconnect => format!("{error:#}"),
            Err(Failure::Server(error) | Failure::Clip(error)) => return Err(error),
        };
        if let_in {
            again_in = RETRY_FIRST;
        }
        news(News::Lost { reason, again_in });
        time::sleep(again_in).await;
        again_in = RETRY_LONGEST.min(again_in * 2);
        rounds.next_round();
        rounds.forget_headers();
    }
}

/// Whose fault it is that publishing ended.
enum Failure {
    Server(anyhow::Error),
    Clip(anyhow::Error),
}

/// One connection's worth. The clip is opened first: nobody is dialled for one that cannot be published.
async fn once(
    clip: &Clip,
    url: &Url,
    manner: Manner,
    rounds: &mut Rounds,
    let_in: impl FnOnce(),
) -> Result<(), Failure> {
    let mut frames = clip.open().await.map_err(Failure::Clip)?;
    let mut connection = Connection::open(url, Purpose::Publish)
        .await
        .map_err(Failure::Server)?;
    let_in();
    let mut pace = None;
    loop {
        while let Some(frame) = frames.next().await.map_err(Failure::Clip)? {
            let Some(dts) = rounds.place(&frame) else {
                continue;
            };
            let pace = pace.get_or_insert_with(|| Pace::new(dts, manner.speed));
            let sent = send(&mut connection, &frame, dts, pace.due(dts)).await;
            sent.context("the server has gone")
                .map_err(Failure::Server)?;
        }
        if !manner.looped || !rounds.next_round() {
            connection.close().await;
            return Ok(());
        }
        frames = clip.open().await.map_err(Failure::Clip)?;
    }
}

/// Waits until the frame is due, listening to the server meanwhile, and sends it.
async fn send(
    connection: &mut Connection,
    frame: &Frame,
    dts: MediaTime,
    due: Instant,
) -> anyhow::Result<()> {
    let mut waiting = std::pin::pin!(time::sleep_until(due));
    loop {
        tokio::select! {
            biased;
            event = connection.next() => match event? {
                Some(Event::Ended(status)) => bail!("{status}"),
                Some(Event::Redirect(url)) => bail!("sent on to {url}"),
                Some(Event::ReconnectRequest { description, .. }) => {
                    bail!("asked to come again: {description}")
                }
                Some(_) => {}
                None => bail!("it closed the connection"),
            },
            () = &mut waiting => break,
        }
    }
    connection.send(frame.kind, dts.wire(), &frame.body);
    connection.flush().await
}

/// When each moment of the timeline is due.
struct Pace {
    began: Instant,
    at: MediaTime,
    speed: f64,
}

impl Pace {
    fn new(at: MediaTime, speed: f64) -> Self {
        Self {
            began: Instant::now(),
            at,
            speed,
        }
    }

    fn due(&self, dts: MediaTime) -> Instant {
        self.began + dts.since(self.at).div_f64(self.speed)
    }
}

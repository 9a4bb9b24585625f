//! `weir play`: a small honest player. It shows no picture; it says whether a player would see one.
//!
//! Plays over RTMP or HTTP-FLV, judges what comes (see [`watch`]), and may write it to a file. What it
//! reports is what it has received: nothing is repaired, and nothing is taken on trust.

mod output;
mod source;
mod summary;
mod watch;

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use output::Output;
use serde::Serialize;
use source::{Heard, Source};
use std::{
    io::{self, IsTerminal, Write},
    path::PathBuf,
    time::{Duration, Instant},
};
use tokio::time::{self, MissedTickBehavior};
use watch::{Report, Watch};

/// Play a stream without showing it, and say how good it is.
///
/// Checks that it starts at a key frame after its sequence headers, that its times go on without
/// gaps, and how late its frames are.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  weir play http://127.0.0.1:8081/live/demo.flv --stats
  weir play rtmp://127.0.0.1:1936/live/demo --seconds 10 --json
  weir play rtmp://127.0.0.1:1936/live/demo --seconds 60 --output demo.flv
  weir play rtmp://127.0.0.1:1936/live/demo --output - | ffplay -")]
pub(crate) struct Options {
    /// rtmp://host/app/name, rtmps://…, http://host/app/name.flv or https://….
    url: String,
    /// Show a line of statistics while it plays.
    #[arg(long)]
    stats: bool,
    /// Stop after so many seconds; else at the stream's end or Ctrl-C.
    #[arg(long, value_name = "N", value_parser = positive)]
    seconds: Option<f64>,
    /// Write what comes to an FLV file; `-` for standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print the summary as JSON.
    #[arg(long)]
    json: bool,
    /// Fail if the stream has any fault, not only if nothing came or the connection was cut.
    #[arg(long)]
    strict: bool,
}

/// A number of seconds or a factor on the command line.
///
/// # Errors
/// If it is not above zero.
pub(crate) fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number > 0.0 && number.is_finite() => Ok(number),
        _ => Err("expected a number above 0".to_owned()),
    }
}

/// What is printed at the end.
#[derive(Debug, Serialize)]
struct Summary {
    /// As given, without secrets.
    url: String,
    /// `asked`, `stream ended`, `server closed`, or what went wrong.
    ended: String,
    /// How often the server said that the publisher had gone.
    publisher_gone: u32,
    #[serde(flatten)]
    report: Report,
}

/// Plays until the end, then prints the summary.
///
/// # Errors
/// If the stream cannot be played, nothing came, the connection was cut before its end, or it has faults
/// and that was to be an error.
pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let started = Instant::now();
    let mut source = Source::open(&options.url).await?;
    let mut player = Player::new(&options, started)?;
    let ended = player.play(&mut source, options.seconds).await;
    source.close().await;
    player.finish(&options, source::without_secrets(&options.url), ended)
}

struct Player {
    started: Instant,
    watch: Watch,
    output: Option<Output>,
    line: Option<StatsLine>,
    publisher_gone: u32,
}

impl Player {
    fn new(options: &Options, started: Instant) -> anyhow::Result<Self> {
        Ok(Self {
            started,
            watch: Watch::default(),
            output: options.output.as_deref().map(Output::create).transpose()?,
            line: options.stats.then(StatsLine::new),
            publisher_gone: 0,
        })
    }

    /// Returns how it ended.
    async fn play(
        &mut self,
        source: &mut Source,
        seconds: Option<f64>,
    ) -> anyhow::Result<&'static str> {
        let mut tick = time::interval(StatsLine::EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let end = time::sleep(seconds.map_or(Duration::MAX, Duration::from_secs_f64));
        let mut end = std::pin::pin!(end);
        let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
        loop {
            let heard = tokio::select! {
                heard = source.next() => heard?,
                _ = tick.tick() => {
                    let now = self.started.elapsed();
                    if let Some(line) = &mut self.line {
                        line.show(&self.watch.line(now));
                    }
                    continue;
                }
                () = &mut end => return Ok("asked"),
                _ = &mut interrupted => return Ok("asked"),
            };
            match heard {
                Heard::Frame {
                    frame,
                    config,
                    timestamp,
                } => {
                    self.watch.take(self.started.elapsed(), &frame, config);
                    if let Some(output) = &mut self.output {
                        output.write(&frame, timestamp)?;
                    }
                }
                Heard::PublisherGone => self.publisher_gone += 1,
                Heard::End(end) => return Ok(end.name()),
            }
        }
    }

    fn finish(
        self,
        options: &Options,
        url: String,
        ended: anyhow::Result<&'static str>,
    ) -> anyhow::Result<()> {
        if let Some(line) = &self.line {
            line.clear();
        }
        let mut report = self.watch.report();
        let (broken, ended) = match ended {
            Ok(ended) => (None, ended.to_owned()),
            Err(error) => {
                let text = format!("{error:#}");
                report.faults.push(text.clone());
                (Some(error), text)
            }
        };
        let summary = Summary {
            url,
            ended,
            publisher_gone: self.publisher_gone,
            report,
        };
        let text = match options.json {
            true => serde_json::to_string_pretty(&summary)?,
            false => summary::text(&summary),
        };
        // Standard output may be the stream itself.
        let to_stdout = !self.output.as_ref().is_some_and(Output::is_stdout);
        if let Some(output) = self.output {
            output.finish().context("cannot finish the file")?;
        }
        match to_stdout {
            true => writeln!(io::stdout(), "{text}")?,
            false => writeln!(io::stderr(), "{text}")?,
        }
        if let Some(error) = broken {
            return Err(error);
        }
        let faults = &summary.report.faults;
        if !self.watch.has_begun() || options.strict && !faults.is_empty() {
            bail!("{}", faults.join("; "));
        }
        Ok(())
    }
}

/// One line that is written over on a terminal, and a line a second elsewhere.
struct StatsLine {
    bar: Option<ProgressBar>,
    ticks: u32,
}

impl StatsLine {
    const EVERY: Duration = Duration::from_millis(250);

    fn new() -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            let style = ProgressStyle::with_template("{spinner} {wide_msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar
        });
        Self { bar, ticks: 0 }
    }

    fn show(&mut self, line: &str) {
        self.ticks = self.ticks.wrapping_add(1);
        match &self.bar {
            Some(bar) => {
                bar.set_message(line.to_owned());
                bar.tick();
            }
            None if self.ticks.is_multiple_of(4) => eprintln!("{line}"),
            None => {}
        }
    }

    fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests;

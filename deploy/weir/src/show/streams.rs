//! `weir streams`: what is live, and where.

use super::{
    Common,
    table::table,
    units::{self, UNKNOWN, or_unknown},
};
use crate::rest::Controller;
use anyhow::bail;
use api::{Arrival, Audio, Stream, Video};
use media::path::DEFAULT_VHOST;

/// Live streams: their origin, edges, codecs, bitrate and players.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  weir streams
  weir streams live/demo              one stream, node by node
  weir streams tv.example/live/cam    the same, of another vhost
  weir streams --search cam --json")]
pub(crate) struct Options {
    /// Only this one, `[vhost/]app/name`, with each node that has it.
    stream: Option<String>,
    /// Only those whose path holds this text.
    #[arg(long, value_name = "TEXT", conflicts_with = "stream")]
    search: Option<String>,
    #[command(flatten)]
    common: Common,
}

/// # Errors
/// If no controller answers, or it knows no such stream.
pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let controller = options.common.controller()?;
    if let Some(path) = &options.stream {
        let Some(stream) = find(&controller, path).await? else {
            bail!("no node has a stream {path}");
        };
        return options.common.print(&stream, || detail(&stream));
    }
    let streams = controller.streams(options.search.as_deref()).await?;
    options.common.print(&streams, || text(&streams))
}

/// `live/room/cam` is `room/cam` of everybody's vhost, unless there is a vhost `live`.
async fn find(controller: &Controller, path: &str) -> anyhow::Result<Option<Stream>> {
    if path.matches('/').count() > 1
        && let Some(stream) = controller.stream(path).await?
    {
        return Ok(Some(stream));
    }
    controller.stream(&format!("{DEFAULT_VHOST}/{path}")).await
}

fn text(streams: &[Stream]) -> String {
    if streams.is_empty() {
        return "no streams".to_owned();
    }
    let header = [
        "STREAM", "ORIGIN", "EDGES", "VIDEO", "AUDIO", ">BITRATE", ">PLAYERS", ">SINCE",
    ];
    table(&header, streams.iter().map(row))
}

fn row(stream: &Stream) -> Vec<String> {
    let edges = match stream.edges.as_slice() {
        [] => UNKNOWN.to_owned(),
        few if few.len() <= 3 => few.join(","),
        [first, second, rest @ ..] => format!("{first},{second} and {} more", rest.len()),
        [one] => one.clone(),
    };
    vec![
        short(stream),
        origins(stream),
        edges,
        or_unknown(stream.video.as_ref().map(video)),
        or_unknown(stream.audio.as_ref().map(audio)),
        units::rate(stream.bits_per_second),
        stream.players.to_string(),
        or_unknown(stream.since_unix_ms.map(units::since)),
    ]
}

/// The owner, and behind it who stands by: `origin-1 (origin-2)`.
fn origins(stream: &Stream) -> String {
    let owner = or_unknown(stream.origin.as_ref());
    match stream.standbys.as_slice() {
        [] => owner,
        standbys => format!("{owner} ({})", standbys.join(", ")),
    }
}

/// One stream, and each node that has it.
fn detail(stream: &Stream) -> String {
    let header = [
        "NODE",
        "HOW",
        ">PLAYERS",
        ">BITRATE",
        ">RECEIVED",
        ">SENT",
        ">SINCE",
    ];
    let sites = stream.sites.iter().map(|site| {
        let from = site
            .upstream
            .as_deref()
            .map(|from| format!(" from {from}"))
            .unwrap_or_default();
        let how = match site.arrival {
            Arrival::Published if stream.standbys.contains(&site.node) => {
                "published, stands by".to_owned()
            }
            Arrival::Published => "published".to_owned(),
            Arrival::Pulled => format!("pulled{from}"),
        };
        vec![
            site.node.clone(),
            how,
            site.players.to_string(),
            units::rate(site.bits_per_second),
            units::bytes(site.bytes_in),
            units::bytes(site.bytes_out),
            units::since(site.since_unix_ms),
        ]
    });
    format!(
        "{}  epoch {}  {}  {}\n\n{}",
        stream.path,
        stream.epoch,
        or_unknown(stream.video.as_ref().map(video)),
        or_unknown(stream.audio.as_ref().map(audio)),
        table(&header, sites)
    )
}

/// Everybody's vhost goes without saying.
fn short(stream: &Stream) -> String {
    match stream.vhost == DEFAULT_VHOST {
        true => format!("{}/{}", stream.app, stream.name),
        false => stream.path.clone(),
    }
}

fn video(video: &Video) -> String {
    let mut text = video.codec.clone();
    if let Some((width, height)) = video.width.zip(video.height) {
        text += &format!(" {width}x{height}");
    }
    if let Some(fps) = video.fps {
        text += &format!(" {} fps", (fps * 100.0).round() / 100.0);
    }
    text
}

fn audio(audio: &Audio) -> String {
    let mut text = audio.codec.clone();
    if let Some(rate) = audio.sample_rate {
        text += &format!(" {} kHz", f64::from(rate) / 1000.0);
    }
    match audio.channels {
        Some(1) => text + " mono",
        Some(2) => text + " stereo",
        Some(channels) => text + &format!(" {channels} ch"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> Stream {
        let json = r#"{
            "path": "__defaultVhost__/live/239.1.1.5:1234", "vhost": "__defaultVhost__",
            "app": "live", "name": "239.1.1.5:1234", "origin": "origin-1", "epoch": 3,
            "edges": ["edge-1", "edge-2"], "players": 7, "bits_per_second": 2400000,
            "video": {"codec": "avc", "width": 1280, "height": 720, "fps": 29.97002},
            "audio": {"codec": "aac", "sample_rate": 44100, "channels": 2},
            "sites": [{"node": "edge-1", "role": "edge", "arrival": "pulled", "upstream": "origin-1",
                       "since_unix_ms": 18446744073709551615, "players": 7, "bytes_in": 3400000,
                       "bytes_out": 23800000, "bits_per_second": 2400000}]
        }"#;
        serde_json::from_str(json).expect("a stream")
    }

    #[test]
    fn a_stream_stands_in_one_line() {
        assert_eq!(
            text(&[stream()]),
            "STREAM               ORIGIN    EDGES          VIDEO                   AUDIO                   BITRATE  PLAYERS  SINCE\n\
             live/239.1.1.5:1234  origin-1  edge-1,edge-2  avc 1280x720 29.97 fps  aac 44.1 kHz stereo  2.4 Mbit/s        7      -"
        );
    }

    #[test]
    fn one_stream_is_shown_node_by_node() {
        let text = detail(&stream());
        assert!(text.starts_with("__defaultVhost__/live/239.1.1.5:1234  epoch 3  avc 1280x720"));
        assert!(text.contains("edge-1  pulled from origin-1"), "{text}");
        assert!(text.contains("3.4 MB"), "{text}");
    }
}

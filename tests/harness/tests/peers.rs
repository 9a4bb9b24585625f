//! The harness against itself: every publisher and every player, by way of nginx-rtmp.
//!
//! Where this fails, a scenario's failure says nothing about Weir.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::{
    Recording, eventually,
    peer::{
        etcd::Etcd,
        ffmpeg::{self, Source},
        gstreamer, librtmp, mpv,
        nginx::Nginx,
        obs, promtool, vlc,
    },
    recording::Kind,
};

const SOON: Duration = Duration::from_secs(20);
const PLAY: Duration = Duration::from_secs(2);
/// Two seconds at 25 pictures a second, less a GOP of one second; how long players look at a stream
/// before they write it down, from its beginning, is theirs.
const PICTURES_MIN: usize = 25;

async fn published(nginx: &Nginx, name: &str) -> Result<()> {
    eventually(SOON, async || {
        let stream = nginx
            .stream(name)
            .await?
            .with_context(|| format!("no stream {name}"))?;
        ensure!(stream.is_published, "{name} is not published");
        Ok(())
    })
    .await
}

async fn is_good(recording: &Recording) -> Result<()> {
    recording.ensure_decodes().await?;
    let probe = recording.probe().await?;
    let video = probe.stream(Kind::Video)?;
    assert_eq!(
        (video.codec.as_str(), video.width, video.height),
        ("h264", 320, 180)
    );
    assert_eq!(probe.stream(Kind::Audio)?.codec, "aac");
    probe.ensure_steady(Duration::from_millis(500))?;
    let pictures = probe.packets(Kind::Video);
    assert!(
        pictures.len() >= PICTURES_MIN,
        "{} pictures",
        pictures.len()
    );
    assert!(pictures[0].is_key(), "the first picture is no key frame");
    Ok(())
}

#[tokio::test]
async fn what_ffmpeg_publishes_every_player_records() -> Result<()> {
    let nginx = Nginx::rtmp().await?;
    let url = nginx.url("live/239.1.1.5:1234");
    let _publisher = ffmpeg::publish(&url, &Source::default())?;
    published(&nginx, "239.1.1.5:1234").await?;
    is_good(&ffmpeg::record(&url, PLAY).await?)
        .await
        .context("ffmpeg")?;
    is_good(&gstreamer::record(&url, PLAY).await?)
        .await
        .context("GStreamer")?;
    is_good(&librtmp::record(&url, PLAY).await?)
        .await
        .context("librtmp")?;
    is_good(&mpv::record(&url, PLAY).await?)
        .await
        .context("mpv")?;
    is_good(&vlc::record(&url, PLAY).await?)
        .await
        .context("VLC")?;
    Ok(())
}

#[tokio::test]
async fn what_every_publisher_publishes_ffmpeg_records() -> Result<()> {
    let nginx = Nginx::rtmp().await?;
    let _gstreamer = gstreamer::publish(&nginx.url("live/gstreamer"))?;
    let _librtmp = librtmp::publish(&nginx.url("live/librtmp"))?;
    let _obs = obs::publish(&nginx.url("live"), "obs").await?;
    for name in ["gstreamer", "librtmp", "obs"] {
        published(&nginx, name).await?;
        let recording = ffmpeg::record(&nginx.url(&format!("live/{name}")), PLAY).await?;
        is_good(&recording).await.with_context(|| name)?;
    }
    Ok(())
}

#[tokio::test]
async fn a_stream_of_sound_alone_has_no_pictures() -> Result<()> {
    let nginx = Nginx::rtmp().await?;
    let _publisher = ffmpeg::publish(&nginx.url("live/radio"), &Source::audio_only())?;
    published(&nginx, "radio").await?;
    let probe = ffmpeg::record(&nginx.url("live/radio"), PLAY)
        .await?
        .probe()
        .await?;
    assert_eq!(probe.streams.len(), 1);
    assert!(probe.stream(Kind::Video).is_err());
    Ok(())
}

#[tokio::test]
async fn a_damaged_recording_is_found_out() -> Result<()> {
    let recording = ffmpeg::make_flv(&Source::video_only(), Duration::from_secs(1)).await?;
    recording.ensure_decodes().await?;
    let mut bytes = std::fs::read(recording.file())?;
    let middle = bytes.len() / 2;
    bytes[middle..middle + 2_000].fill(0xff);
    std::fs::write(recording.file(), bytes)?;
    assert!(recording.ensure_decodes().await.is_err());
    Ok(())
}

#[tokio::test]
async fn a_gap_in_a_recording_is_found_out() -> Result<()> {
    let recording = ffmpeg::make_flv(&Source::video_only(), Duration::from_secs(1)).await?;
    let mut probe = recording.probe().await?;
    probe.ensure_steady(Duration::from_millis(40))?;
    probe.packets.remove(10);
    assert!(probe.ensure_steady(Duration::from_millis(40)).is_err());
    Ok(())
}

#[tokio::test]
async fn a_killed_nginx_comes_back_at_its_port() -> Result<()> {
    let mut nginx = Nginx::rtmp().await?;
    let address = nginx.address();
    nginx.process.kill();
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
    nginx.restart().await?;
    tokio::net::TcpStream::connect(address).await?;
    Ok(())
}

#[tokio::test]
async fn a_member_of_etcd_dies_and_comes_back() -> Result<()> {
    let mut etcd = Etcd::start_members(3).await?;
    etcd.members[0].process.kill();
    etcd.members[1].healthy(SOON).await?;
    assert!(
        etcd.members[0]
            .healthy(Duration::from_millis(100))
            .await
            .is_err()
    );
    etcd.members[0].process.restart()?;
    etcd.members[0].healthy(SOON).await
}

#[tokio::test]
async fn promtool_finds_what_is_wrong_with_a_metrics_page() -> Result<()> {
    let good = "# HELP weir_streams Live streams.\n# TYPE weir_streams gauge\nweir_streams 1\n";
    promtool::check_metrics(good).await?;
    let bad = "# HELP weir_streams Live streams.\n# TYPE weir_streams counter\nweir_streams 1\n";
    assert!(promtool::check_metrics(bad).await.is_err());
    Ok(())
}

//! The REST API, the operator's command line and the metrics show the cluster as it is.

use crate::cluster::Cluster;
use anyhow::{Result, ensure};
use harness::{
    Player, eventually, http,
    peer::{ffmpeg, promtool},
};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn the_api_and_the_command_line_show_a_stream_whole() -> Result<()> {
    let cluster = Cluster::up(&[]).await?;
    let origin = cluster.member("origin-1").await?;
    let edge = cluster.member("edge-1").await?;
    let _publisher = ffmpeg::publish(
        &origin.rtmp_url("live/239.1.1.5:1234"),
        &ffmpeg::Source::default(),
    )?;
    let rtmp = Player::start(edge.rtmp_url("live/239.1.1.5:1234"));
    let flv = Player::start(edge.flv_url("live/239.1.1.5:1234"));
    rtmp.hears_more(50, SOON).await?;
    flv.hears_more(50, SOON).await?;

    let shown = eventually(SOON, async || {
        let stream = cluster
            .get("/v1/streams/__defaultVhost__/live/239.1.1.5:1234")
            .await?;
        ensure!(stream["origin"] == "origin-1", "{stream}");
        ensure!(stream["edges"] == serde_json::json!(["edge-1"]), "{stream}");
        ensure!(
            stream["bits_per_second"].as_u64() > Some(50_000),
            "{stream}"
        );
        let edge = stream["sites"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|site| site["node"] == "edge-1");
        ensure!(edge.is_some_and(|site| site["players"] == 2), "{stream}");
        Ok(stream)
    })
    .await?;
    ensure!(
        shown["video"]["codec"] == "h264" && shown["audio"]["codec"] == "aac",
        "{shown}"
    );
    let size = ffmpeg::Source::default()
        .video
        .map(|video| video.size.to_owned());
    let seen = format!("{}x{}", shown["video"]["width"], shown["video"]["height"]);
    ensure!(size == Some(seen), "{shown}");

    let table = cluster.says("streams").await?;
    for word in ["live/239.1.1.5:1234", "origin-1", "edge-1", "h264"] {
        ensure!(table.contains(word), "no {word} in\n{table}");
    }
    let json: serde_json::Value = serde_json::from_str(&cluster.says("streams --json").await?)?;
    ensure!(json.to_string().contains("239.1.1.5:1234"), "{json}");
    let nodes = cluster.says("nodes").await?;
    ensure!(
        ["origin-1", "edge-1", "edge-2"]
            .iter()
            .all(|node| nodes.contains(node)),
        "{nodes}"
    );
    cluster.says("status").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_refuses_what_is_not_there_with_one_kind_of_body() -> Result<()> {
    let cluster = Cluster::up(&[]).await?;
    for path in ["/v1/streams/h/live/none", "/v1/nodes/none", "/v1/none"] {
        let answer = http::get(&format!("{}{path}", cluster.rest())).await?;
        ensure!(answer.status == 404, "{path}: {answer:?}");
        let body = answer.json()?;
        ensure!(
            body["error"]["code"].is_string() && body["error"]["message"].is_string(),
            "{body}"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metrics_of_each_program_are_good_for_prometheus() -> Result<()> {
    let cluster = Cluster::up(&["--demo"]).await?;
    let edge = cluster.member("edge-1").await?;
    let player = Player::start(edge.rtmp_url("live/demo"));
    player.hears_more(20, SOON).await?;
    let controller = admin_of(&cluster, "controller")?;
    for admin in [
        cluster.member("origin-1").await?.admin,
        edge.admin.clone(),
        controller,
    ] {
        let page = http::get_ok(&format!("http://{admin}/metrics")).await?;
        ensure!(page.contains("weir_build_info"), "{page}");
        promtool::check_metrics(&page).await?;
    }
    Ok(())
}

/// Where a member that is no media node answers scrapes: from its config file.
fn admin_of(cluster: &Cluster, name: &str) -> Result<String> {
    let pid = cluster.pid(name)?;
    let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline"))?;
    let file = command
        .split('\0')
        .find(|word| word.ends_with(".yaml"))
        .unwrap_or_default();
    let config = std::fs::read_to_string(file)?;
    let listen = config
        .split_once("admin:")
        .and_then(|(_, rest)| rest.split('"').nth(1));
    listen
        .map(str::to_owned)
        .ok_or_else(|| anyhow::anyhow!("no admin port in\n{config}"))
}

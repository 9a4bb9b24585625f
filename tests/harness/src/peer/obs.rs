//! OBS Studio as publisher, on a virtual screen.

use std::{fs, sync::Arc};

use anyhow::{Context, Result};
use serde_json::json;

use crate::{
    process::{Invocation, Process, scratch},
    wait::eventually,
};

/// Xvfb is up in far less.
const SCREEN_WITHIN: std::time::Duration = std::time::Duration::from_secs(20);

/// A publishing OBS and its screen; OBS ends first.
#[derive(Debug)]
pub struct Obs {
    /// OBS itself.
    pub process: Process,
    _screen: Process,
}

/// Publishes a coloured scene, 320×180 at 30 pictures a second, with silence.
///
/// `server` and `key` are what OBS's user types: `rtmp://HOST/APP` and the stream's name.
///
/// # Errors
/// If OBS or Xvfb cannot be started.
pub async fn publish(server: &str, key: &str) -> Result<Obs> {
    let folder = scratch()?;
    write_config(folder.path(), server, key)?;
    let screen = Process::start_in(
        Arc::clone(&folder),
        // 1 is standard output, so that the number that Xvfb chose is in its log.
        Invocation::new("Xvfb").words("-displayfd 1 -screen 0 800x600x24 -nolisten tcp"),
    )?;
    let number: u32 = eventually(SCREEN_WITHIN, async || {
        let log = screen.log();
        let line = log.lines().find_map(|line| line.trim().parse().ok());
        line.with_context(|| format!("Xvfb names no screen: {log}"))
    })
    .await?;
    let obs = Invocation::new("obs")
        .words("--startstreaming --multi --disable-updater --minimize-to-tray")
        .env("HOME", folder.path().display().to_string())
        .env(
            "XDG_CONFIG_HOME",
            folder.path().join(".config").display().to_string(),
        )
        .env("DISPLAY", format!(":{number}"))
        .env("QT_QPA_PLATFORM", "xcb")
        .env("LIBGL_ALWAYS_SOFTWARE", "1");
    Ok(Obs {
        process: Process::start_in(folder, obs)?,
        _screen: screen,
    })
}

/// One profile, one scene with one colour; `keyint` because OBS's own default is 8 s.
fn write_config(home: &std::path::Path, server: &str, key: &str) -> Result<()> {
    let config = home.join(".config/obs-studio");
    let profile = config.join("basic/profiles/P");
    fs::create_dir_all(&profile)?;
    fs::create_dir_all(config.join("basic/scenes"))?;
    fs::write(
        config.join("global.ini"),
        "[General]\nFirstRun=true\nEnableAutoUpdates=false\nLastVersion=486539266\n\
         [Basic]\nProfile=P\nProfileDir=P\nSceneCollection=S\nSceneCollectionFile=S\n\
         [BasicWindow]\nSysTrayEnabled=false\n[OBSWebSocket]\nServerEnabled=false\n",
    )?;
    fs::write(
        profile.join("basic.ini"),
        "[General]\nName=P\n[Output]\nMode=Simple\n\
         [SimpleOutput]\nVBitrate=200\nABitrate=64\nUseAdvanced=true\nPreset=ultrafast\n\
         StreamEncoder=x264\nx264Settings=keyint=30\n\
         [Video]\nBaseCX=320\nBaseCY=180\nOutputCX=320\nOutputCY=180\nFPSType=0\nFPSCommon=30\n\
         [Audio]\nSampleRate=48000\nChannelSetup=Stereo\n",
    )?;
    let service = json!({
        "type": "rtmp_custom",
        "settings": {"server": server, "key": key, "use_auth": false, "bwtest": false},
    });
    fs::write(profile.join("service.json"), service.to_string())?;
    let colour = json!({
        "id": "color_source", "versioned_id": "color_source_v3", "name": "Colour",
        "settings": {"color": 4_278_255_615_u32, "width": 320, "height": 180},
    });
    let item = json!({
        "id": 1, "name": "Colour", "visible": true, "align": 5,
        "pos": {"x": 0.0, "y": 0.0}, "scale": {"x": 1.0, "y": 1.0},
    });
    let scene = json!({
        "id": "scene", "versioned_id": "scene", "name": "Scene",
        "settings": {"id_counter": 2, "items": [item]},
    });
    let collection = json!({
        "name": "S", "current_scene": "Scene", "current_program_scene": "Scene",
        "scene_order": [{"name": "Scene"}], "sources": [colour, scene],
    });
    fs::write(config.join("basic/scenes/S.json"), collection.to_string())?;
    Ok(())
}

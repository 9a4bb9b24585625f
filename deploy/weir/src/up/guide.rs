//! What `weir up` prints when the cluster is ready: where to publish, what to play, how to look.

use super::plan::{Plan, Program};
use std::{
    env,
    fmt::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// The app that the examples use; any other does as well.
pub(crate) const APP: &str = "live";

/// What a reader of the guide types.
pub(crate) struct Guide<'a> {
    pub(crate) plan: &'a Plan,
    /// How this program is called: see [`our_name`].
    pub(crate) weir: &'a str,
    /// The stream that is already there, or the one that the reader will make.
    pub(crate) stream: &'a str,
    /// Whether it is already there.
    pub(crate) published: bool,
    /// Whether other clusters run here, so that `weir status` must be told which is meant.
    pub(crate) one_of_several: bool,
}

impl Guide<'_> {
    /// The whole text.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let Self { weir, stream, .. } = self;
        for (name, rtmp, _) in self.plan.media(Program::Origin) {
            let url = rtmp_url(rtmp);
            let title = format!("Publish to {name}");
            let yours = if self.published { "YOURS" } else { stream };
            line(&mut text, &title, &format!("{url}/{yours}"));
            line(
                &mut text,
                "  ffmpeg",
                &format!("ffmpeg -re -i FILE -c copy -f flv {url}/{yours}"),
            );
            line(
                &mut text,
                "  OBS",
                &format!("Service: Custom   Server: {url}   Stream Key: {yours}"),
            );
            line(
                &mut text,
                "  weir",
                &format!("{weir} publish FILE.flv {url}/{yours} --loop"),
            );
        }
        let mut first = None;
        let edges = self.plan.media(Program::Edge).collect::<Vec<_>>();
        let from = if edges.is_empty() {
            Program::Origin
        } else {
            Program::Edge
        };
        for (name, rtmp, http) in self.plan.media(from) {
            let http = format!("{}/{stream}.flv", http_url(http));
            let rtmp = format!("{}/{stream}", rtmp_url(rtmp));
            line(
                &mut text,
                &format!("Play from {name}"),
                &format!("{http}   {rtmp}"),
            );
            first.get_or_insert((http, rtmp));
        }
        if let Some((http, rtmp)) = first {
            line(&mut text, "  weir", &format!("{weir} play {http} --stats"));
            line(
                &mut text,
                "  ffplay",
                &format!("ffplay -fflags nobuffer {rtmp}"),
            );
            line(&mut text, "  VLC, mpv", &format!("mpv {http}"));
        }
        let rest = self.plan.rest;
        let looks = ["status", "streams", "events"].map(|look| format!("{weir} {look}"));
        match self.one_of_several {
            false => line(&mut text, "Look", &looks.join("   ")),
            true => {
                for (title, look) in ["Look", "", ""].into_iter().zip(looks) {
                    line(
                        &mut text,
                        title,
                        &format!("{look} --controller http://{rest}"),
                    );
                }
            }
        }
        line(
            &mut text,
            "  REST",
            &format!("curl http://{rest}/v1/streams"),
        );
        line(&mut text, "Stop", "Ctrl-C");
        text
    }
}

fn line(text: &mut String, title: &str, content: &str) {
    writeln!(text, "  {title:<20} {content}").expect("a string takes everything");
}

/// Where to publish on `listener`, without the stream's name.
pub(crate) fn rtmp_url(listener: SocketAddr) -> String {
    format!("rtmp://{listener}/{APP}")
}

/// Where to play over HTTP from `listener`, likewise.
pub(crate) fn http_url(listener: SocketAddr) -> String {
    format!("http://{listener}/{APP}")
}

/// How the reader calls this program again: `weir` if that is in their `PATH`, else its path, as short
/// as it can be said from where they are.
pub(crate) fn our_name() -> String {
    let Ok(us) = env::current_exe().and_then(|path| path.canonicalize()) else {
        return "weir".to_owned();
    };
    let path = env::var_os("PATH").unwrap_or_default();
    let in_path = env::split_paths(&path)
        .filter_map(|directory| directory.join("weir").canonicalize().ok())
        .next();
    name_of(&us, in_path, env::current_dir().ok())
}

fn name_of(us: &Path, in_path: Option<PathBuf>, here: Option<PathBuf>) -> String {
    if in_path.is_some_and(|path| path == us) {
        return "weir".to_owned();
    }
    let relative = here.and_then(|here| us.strip_prefix(here).ok());
    relative.unwrap_or(us).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::up::{Options, ports::Ports};

    fn text(options: &Options) -> String {
        text_beside(options, false)
    }

    fn text_beside(options: &Options, one_of_several: bool) -> String {
        let free = Ports::new(|address: SocketAddr| Some(address.port()));
        let (plan, _) = Plan::new(options, free).expect("all ports are free");
        Guide {
            plan: &plan,
            weir: "weir",
            stream: "demo",
            published: true,
            one_of_several,
        }
        .text()
    }

    #[test]
    fn the_guide_names_every_place_to_publish_and_to_play() {
        let text = text(&Options::default());
        for expected in [
            "rtmp://127.0.0.1:1935/live/YOURS",
            "Server: rtmp://127.0.0.1:1935/live   Stream Key: YOURS",
            "http://127.0.0.1:8081/live/demo.flv   rtmp://127.0.0.1:1936/live/demo",
            "http://127.0.0.1:8082/live/demo.flv   rtmp://127.0.0.1:1937/live/demo",
            "weir play http://127.0.0.1:8081/live/demo.flv --stats",
            "curl http://127.0.0.1:7080/v1/streams",
        ] {
            assert!(text.contains(expected), "{expected} is not in\n{text}");
        }
    }

    #[test]
    fn beside_another_cluster_the_commands_say_which_is_meant() {
        let alone = text(&Options::default());
        assert!(
            alone.contains("weir status   weir streams   weir events"),
            "{alone}"
        );
        let one_of_two = text_beside(&Options::default(), true);
        for look in ["status", "streams", "events"] {
            let expected = format!("weir {look} --controller http://127.0.0.1:7080");
            assert!(one_of_two.contains(&expected), "{one_of_two}");
        }
    }

    #[test]
    fn a_cluster_that_listens_everywhere_is_played_from_here() {
        let listen = std::net::Ipv4Addr::UNSPECIFIED.into();
        let text = text(&Options {
            listen,
            ..Options::default()
        });
        assert!(
            text.contains("rtmp://127.0.0.1:1935/live") && !text.contains("0.0.0.0"),
            "{text}"
        );
    }

    #[test]
    fn without_edges_the_origin_is_played_from() {
        let text = text(&Options {
            edges: 0,
            ..Options::default()
        });
        assert!(
            text.contains("http://127.0.0.1:8080/live/demo.flv"),
            "{text}"
        );
    }

    #[test]
    fn we_are_called_as_the_reader_can_call_us() {
        let us = Path::new("/src/target/release/weir");
        for (in_path, here, name) in [
            (Some("/src/target/release/weir"), "/tmp", "weir"),
            (Some("/usr/bin/weir"), "/src", "target/release/weir"),
            (None, "/src", "target/release/weir"),
            (None, "/tmp", "/src/target/release/weir"),
        ] {
            assert_eq!(
                name_of(us, in_path.map(PathBuf::from), Some(here.into())),
                name
            );
        }
    }
}

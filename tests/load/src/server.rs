//! Servers that a comparison starts itself, each on free loopback ports and alone: Weir's origin,
//! nginx-rtmp, any other by its command, and the bare loop.
//!
//! A server is killed with all its children when it is dropped, and where `setpriv` is there by the
//! kernel when we are killed ourselves.

use crate::{
    floor::Pieces,
    process,
    target::{Target, TargetError},
};
use std::{
    ffi::OsStr,
    fs, io,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// From start to the first accepted connection.
const READY_WITHIN: Duration = Duration::from_secs(15);

/// The folder with Weir's programs, where it is not ours.
const BIN_DIR: &str = "WEIR_BIN_DIR";

/// Where Debian's package puts the module.
const NGINX_MODULE: &str = "/usr/lib/nginx/modules/ngx_rtmp_module.so";

/// The name of every stream that we publish.
const STREAM: &str = "live/load";

/// Why a server does not run.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The program is not there, or cannot be started.
    #[error("starting {program}: {error}{hint}")]
    Start {
        /// Which one.
        program: String,
        /// What the system says.
        error: io::Error,
        /// What may help.
        hint: &'static str,
    },
    /// It ended, or accepts no connection.
    #[error("{program} accepts no connection at {address} within {READY_WITHIN:?}:\n{said}")]
    NotReady {
        /// Which one.
        program: String,
        /// Where it should listen.
        address: SocketAddr,
        /// The end of what it wrote.
        said: String,
    },
    /// Its files cannot be written.
    #[error("a server's files: {0}")]
    Files(#[from] io::Error),
    /// Its URL is none.
    #[error(transparent)]
    Target(#[from] TargetError),
}

/// What players speak in a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Via {
    /// RTMP.
    Rtmp,
    /// HTTP-FLV.
    Http,
    /// WebSocket-FLV.
    Ws,
}

/// How to start a server.
#[derive(Debug, Clone)]
pub enum Recipe {
    /// `weir-origin` with one shard.
    Weir {
        /// Environment variables, which override its config.
        env: Vec<(String, String)>,
    },
    /// nginx with `libnginx-mod-rtmp`, one process. It knows no HTTP-FLV: players use RTMP.
    Nginx,
    /// Any other.
    Command {
        /// For the shell.
        command: String,
        /// Where to publish.
        rtmp: Target,
        /// Where to play over RTMP is where to publish; this is where to play over HTTP-FLV.
        flv: Option<Target>,
    },
    /// The bare loop.
    Floor(Pieces),
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    child: Child,
    log: PathBuf,
    /// Where to publish; the bare loop takes nothing.
    pub publish: Option<Target>,
    /// Where to play.
    pub play: Target,
    /// Where it counts its writes, if it is one of ours.
    pub metrics: Option<SocketAddr>,
    /// Goes last: the process may write to it until it is dead.
    _folder: TempDir,
}

impl Recipe {
    /// Starts it and waits until it accepts connections.
    ///
    /// # Errors
    /// If it cannot be started, or listens nowhere in time.
    pub fn start(&self, via: Via) -> Result<Server, StartError> {
        let folder = tempfile::Builder::new().prefix("weir-load-").tempdir()?;
        let (rtmp, http, admin) = (free_port()?, free_port()?, free_port()?);
        let rtmp_url = format!("rtmp://{rtmp}/{STREAM}");
        let (command, publish, play) = match self {
            Self::Weir { env } => {
                let play = match via {
                    Via::Rtmp => rtmp_url.clone(),
                    Via::Http => format!("http://{http}/{STREAM}.flv"),
                    Via::Ws => format!("ws://{http}/{STREAM}.flv"),
                };
                let mut command = weir(folder.path(), rtmp, http, admin)?;
                command.envs(env.iter().map(|(key, value)| (key, value)));
                (command, Some(rtmp_url.parse()?), play.parse()?)
            }
            Self::Nginx => (
                nginx(folder.path(), rtmp)?,
                Some(rtmp_url.parse()?),
                rtmp_url.parse()?,
            ),
            Self::Command { command, rtmp, flv } => {
                let play = match (via, flv) {
                    (Via::Http | Via::Ws, Some(flv)) => flv,
                    _ => rtmp,
                };
                let mut shell = Command::new("sh");
                shell.arg("-c").arg(format!("exec {command}"));
                (shell, Some(rtmp.clone()), play.clone())
            }
            Self::Floor(pieces) => {
                let mut command = Command::new(std::env::current_exe()?);
                command
                    .arg("floor-server")
                    .args(["--listen", &rtmp.to_string()])
                    .args(["--piece-bytes", &pieces.bytes.to_string()])
                    .args(["--bitrate", &pieces.bits_per_second.to_string()])
                    .args(["--streams", &pieces.streams.to_string()]);
                if pieces.nagle {
                    command.arg("--nagle");
                }
                (command, None, format!("tcp://{rtmp}").parse()?)
            }
        };
        let mut server = launch(command, folder, publish, play)?;
        server.metrics = matches!(self, Self::Weir { .. }).then_some(admin);
        Ok(server)
    }
}

impl Server {
    /// Its process and all that come of it.
    ///
    /// # Errors
    /// If it is gone.
    pub fn pids(&self) -> io::Result<Vec<u32>> {
        process::family(self.child.id())
    }

    /// The end of what it wrote.
    pub fn said(&self) -> String {
        let said = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = said.lines().collect();
        let last = lines.len().saturating_sub(20);
        lines.get(last..).unwrap_or_default().join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Children first: they would outlive their parent.
        let mut family = self.pids().unwrap_or_default();
        family.retain(|pid| *pid != self.child.id());
        for pid in family {
            if let Some(pid) = i32::try_from(pid)
                .ok()
                .and_then(rustix::process::Pid::from_raw)
            {
                // It may have ended by itself.
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn launch(
    command: Command,
    folder: TempDir,
    publish: Option<Target>,
    play: Target,
) -> Result<Server, StartError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let log = folder.path().join("log");
    let output = fs::File::create(&log)?;
    let mut command = tied(&command);
    command
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output);
    let child = command.spawn().map_err(|error| StartError::Start {
        program: program.clone(),
        error,
        hint: "",
    })?;
    let mut server = Server {
        child,
        log,
        publish,
        play,
        metrics: None,
        _folder: folder,
    };
    let began = Instant::now();
    let addresses = [server.publish.as_ref(), Some(&server.play)];
    let addresses: Vec<_> = addresses
        .into_iter()
        .flatten()
        .map(Target::address)
        .collect();
    for address in addresses {
        while TcpStream::connect(address).is_err() {
            let has_ended = server.child.try_wait()?.is_some();
            if has_ended || began.elapsed() > READY_WITHIN {
                let said = server.said();
                return Err(StartError::NotReady {
                    program,
                    address,
                    said,
                });
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
    Ok(server)
}

/// The same command, such that the kernel ends it when we end, however that happens.
fn tied(command: &Command) -> Command {
    let setpriv = Path::new("/usr/bin/setpriv");
    let mut tied = if setpriv.is_file() {
        let mut tied = Command::new(setpriv);
        tied.args(["--pdeathsig", "KILL", "--"])
            .arg(command.get_program());
        tied
    } else {
        Command::new(command.get_program())
    };
    tied.args(command.get_args());
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => tied.env(key, value),
            None => tied.env_remove(key),
        };
    }
    tied
}

/// Where Weir's origin is: in `WEIR_BIN_DIR`, or beside this program.
///
/// # Errors
/// If it is in neither place.
pub fn weir_origin() -> Result<PathBuf, StartError> {
    let folder = match std::env::var_os(BIN_DIR) {
        Some(folder) => PathBuf::from(folder),
        None => std::env::current_exe()?
            .parent()
            .map_or_else(PathBuf::new, Path::to_path_buf),
    };
    let program = folder.join("weir-origin");
    if program.is_file() {
        return Ok(program);
    }
    Err(StartError::Start {
        program: program.display().to_string(),
        error: io::ErrorKind::NotFound.into(),
        hint: "; build it with `cargo build --release -p weir-origin`, or set WEIR_BIN_DIR",
    })
}

fn weir(
    folder: &Path,
    rtmp: SocketAddr,
    http: SocketAddr,
    admin: SocketAddr,
) -> Result<Command, StartError> {
    let config = serde_json::json!({
        "rtmp": { "listen": rtmp.to_string() },
        "http": { "listen": http.to_string() },
        "admin": { "listen": admin.to_string() },
        "log": { "level": "warn" },
        "shards": 1,
    });
    let file = folder.join("origin.yaml");
    fs::write(&file, config.to_string())?;
    let mut command = Command::new(weir_origin()?);
    command.arg("--config").arg(file).env_remove("RUST_LOG");
    Ok(command)
}

fn nginx(folder: &Path, rtmp: SocketAddr) -> Result<Command, StartError> {
    let path = folder.display();
    // One process, as one shard; a player starts at a key frame, as ours does; no log of accesses.
    let config = format!(
        "daemon off; master_process off; worker_processes 1; worker_rlimit_nofile 19999;\n\
         load_module {NGINX_MODULE};\n\
         error_log stderr error; pid {path}/nginx.pid;\n\
         events {{ worker_connections 19500; multi_accept on; }}\n\
         rtmp {{ access_log off; server {{ listen {rtmp}; chunk_size 4096;\n\
         application live {{ live on; wait_key on; }} }} }}\n"
    );
    let file = folder.join("nginx.conf");
    fs::write(&file, config)?;
    let mut command = Command::new(nginx_program());
    command
        .arg("-p")
        .arg(folder)
        .args(["-e", "stderr", "-c"])
        .arg(file);
    Ok(command)
}

/// Debian puts it where a user's `PATH` does not always look.
fn nginx_program() -> &'static OsStr {
    let debian = Path::new("/usr/sbin/nginx");
    OsStr::new(if debian.is_file() {
        "/usr/sbin/nginx"
    } else {
        "nginx"
    })
}

/// What the program says of its version, in one line.
pub fn version(recipe: &Recipe) -> String {
    let mut command = match recipe {
        Recipe::Weir { .. } => match weir_origin() {
            Ok(program) => {
                let mut command = Command::new(program);
                command.arg("--version");
                command
            }
            Err(_) => return "weir-origin".to_owned(),
        },
        Recipe::Nginx => {
            let mut command = Command::new(nginx_program());
            command.arg("-v");
            command
        }
        Recipe::Command { command, .. } => return format!("`{command}`"),
        Recipe::Floor(pieces) => return format!("bare loop of {} B pieces", pieces.bytes),
    };
    let said = command.stdin(Stdio::null()).output();
    let said = said
        .map(|output| [output.stdout, output.stderr].concat())
        .unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let line = said.lines().next().unwrap_or_default();
    line.trim_start_matches("nginx version: ").to_owned()
}

/// A port that nobody listens at; the system does not give it again soon.
fn free_port() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_does_not_listen_is_told_with_what_it_said() {
        let recipe = Recipe::Command {
            command: "echo no such option; exit 3".to_owned(),
            rtmp: format!("rtmp://{}/live/a", free_port().expect("a port"))
                .parse()
                .expect("a URL"),
            flv: None,
        };
        // `exec` takes the first of two commands, which ends.
        let error = recipe.start(Via::Rtmp).expect_err("nobody listens");
        assert!(error.to_string().contains("no such option"), "{error}");
    }

    #[test]
    fn a_dropped_server_is_dead_with_its_children() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let recipe = Recipe::Command {
            command: "sh -c 'sleep 77 & sleep 78 & wait'".to_owned(),
            rtmp: format!("rtmp://{address}/live/a").parse().expect("a URL"),
            flv: None,
        };
        let server = recipe
            .start(Via::Rtmp)
            .expect("somebody listens, if not it");
        let began = Instant::now();
        let mut pids = Vec::new();
        while pids.len() < 3 && began.elapsed() < READY_WITHIN {
            pids = server.pids().expect("it runs");
        }
        assert_eq!(pids.len(), 3);
        drop(server);
        let has_gone = || {
            // A dead child of a dead parent is a zombie until the machine's first process sees it.
            pids.iter().all(|pid| {
                fs::read_to_string(format!("/proc/{pid}/stat"))
                    .map_or(true, |stat| stat.contains(") Z "))
            })
        };
        while !has_gone() && began.elapsed() < READY_WITHIN {
            thread::sleep(Duration::from_millis(10));
        }
        assert!(has_gone());
    }
}

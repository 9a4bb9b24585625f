//! Where the cluster's controller asks for a member that hangs to be ended, so that it is started
//! again: a Unix socket in the state directory, one line each way.
//!
//! ```text
//! restart edge-1
//! done process 4711 was killed        or:  failed no member is called edge-9
//! ```
//!
//! Only the user who runs the cluster may connect: the socket is theirs alone.

use super::child::Restart;
use anyhow::Context;
use std::{
    collections::HashMap, fs, io, os::unix::fs::PermissionsExt, path::Path, sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    time,
};

/// The controller asks in microseconds; whoever needs longer is not it.
const ASKING_MAX: Duration = Duration::from_secs(2);

/// `restart ` and the longest name that a node can have.
const LINE_BYTES_MAX: u64 = 256;

/// How long the socket rests when the system gives no connection.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// A bound socket.
#[derive(Debug)]
pub(crate) struct Control(UnixListener);

impl Control {
    /// Listens at `socket`, in a directory that is ours alone.
    ///
    /// # Errors
    /// If it cannot be bound: the path may be too long for a socket.
    pub(crate) fn bind(socket: &Path) -> anyhow::Result<Self> {
        let doing = || format!("cannot listen at {}", socket.display());
        match fs::remove_file(socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).with_context(doing);
            }
            Ok(()) | Err(_) => {}
        }
        let listener = UnixListener::bind(socket).with_context(doing)?;
        fs::set_permissions(socket, fs::Permissions::from_mode(0o600)).with_context(doing)?;
        Ok(Self(listener))
    }

    /// Passes on what is asked to the keepers of `members`. Never ends.
    pub(crate) async fn serve(self, members: HashMap<String, Restart>) {
        let members = Arc::new(members);
        loop {
            match self.0.accept().await {
                Ok((stream, _)) => {
                    let members = Arc::clone(&members);
                    // Ends by itself: asking is bounded, and a keeper always answers.
                    tokio::spawn(async move { answer(stream, &members).await });
                }
                Err(_) => time::sleep(ACCEPT_REST).await,
            }
        }
    }
}

async fn answer(mut stream: UnixStream, members: &HashMap<String, Restart>) {
    let asked = time::timeout(ASKING_MAX, line(&mut stream)).await;
    let Ok(Ok(line)) = asked else { return };
    let answer = match line.trim().split_once(' ') {
        Some(("restart", name)) => match members.get(name) {
            Some(member) => member.now().await,
            None => Err(format!("no member is called {name}")),
        },
        _ => Err("that is no order; there is `restart NAME`".to_owned()),
    };
    let answer = match answer {
        Ok(what) => format!("done {what}\n"),
        Err(why) => format!("failed {why}\n"),
    };
    // Whoever asked may be gone.
    let _ = stream.write_all(answer.as_bytes()).await;
}

async fn line(stream: &mut UnixStream) -> io::Result<String> {
    let (mut line, mut stream) = (Vec::new(), stream.take(LINE_BYTES_MAX));
    while stream.read_buf(&mut line).await? > 0 && !line.ends_with(b"\n") {}
    Ok(String::from_utf8_lossy(&line).into_owned())
}

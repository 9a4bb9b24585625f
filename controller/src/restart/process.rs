//! The driver `process`: asks the `weir up` that started the node to start it again.
//!
//! `weir up` is the parent of its nodes: it starts one that ends again by itself, so all that it has
//! to be asked is to end one that hangs. Only a parent may: it alone knows that the process id is
//! still the node's. The dialogue over its Unix socket is one line each way:
//!
//! ```text
//! restart edge-1
//! done process 4711 was killed        or:  failed no member is called edge-9
//! ```

use control::NodeId;
use std::{path::Path, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

/// How long `weir up` may take: it kills a process and waits for its end.
const PATIENCE: Duration = Duration::from_secs(5);

/// An answer is one line for people.
const ANSWER_BYTES_MAX: u64 = 1024;

pub(super) async fn restart(socket: &Path, node: &NodeId) -> Result<String, String> {
    let asked = tokio::time::timeout(PATIENCE, ask(socket, node)).await;
    let answer = match asked {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => return Err(format!("weir up cannot be asked: {error}")),
        Err(_) => return Err("weir up does not answer".into()),
    };
    match answer.trim().split_once(' ') {
        Some(("done", what)) => Ok(what.to_owned()),
        Some(("failed", why)) => Err(why.to_owned()),
        _ => Err(format!("weir up answers {answer:?}")),
    }
}

async fn ask(socket: &Path, node: &NodeId) -> std::io::Result<String> {
    let mut stream = UnixStream::connect(socket).await?;
    stream
        .write_all(format!("restart {node}\n").as_bytes())
        .await?;
    let mut answer = String::new();
    let mut stream = stream.take(ANSWER_BYTES_MAX);
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::UnixListener;

    #[tokio::test]
    async fn its_word_is_passed_on() {
        let dir = tempfile::tempdir().expect("a directory");
        let socket = dir.path().join("s");
        let node = NodeId::new("edge-1").expect("a good id");
        let nobody = restart(&socket, &node).await.expect_err("nobody listens");
        assert!(nobody.starts_with("weir up cannot be asked"), "{nobody}");

        let listener = UnixListener::bind(&socket).expect("bound");
        let answering = tokio::spawn(async move {
            for answer in ["done process 7 was killed\n", "failed it ends\n", "what?\n"] {
                let (mut stream, _) = listener.accept().await.expect("asked");
                let mut asked = [0; 64];
                let read = stream.read(&mut asked).await.expect("a line");
                assert_eq!(&asked[..read], b"restart edge-1\n");
                stream.write_all(answer.as_bytes()).await.expect("told");
            }
        });
        assert_eq!(
            restart(&socket, &node).await,
            Ok("process 7 was killed".into())
        );
        assert_eq!(restart(&socket, &node).await, Err("it ends".into()));
        assert!(restart(&socket, &node).await.is_err());
        answering.await.expect("no panic");
    }
}

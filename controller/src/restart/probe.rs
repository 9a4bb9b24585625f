//! Asks a node itself whether it lives: a plain HTTP request to its admin port, else to its media
//! port. Any answer in HTTP will do: who answers is not dead, whatever the answer is. That the
//! connection is accepted proves nothing; the kernel does that for a process that hangs.

use control::{Addresses, Identity};
use std::{net::IpAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Where a node can be asked, the best place first.
///
/// A loopback address is this machine's own to whoever reads it: it is asked only if the node has no
/// other, and is therefore here.
pub(super) fn addresses(node: &Identity) -> Vec<String> {
    let Addresses { rtmp, http, admin } = &node.addresses;
    let is_here = [rtmp, http, admin]
        .into_iter()
        .flatten()
        .all(|address| is_loopback(address));
    let asked = [admin, http].into_iter().flatten();
    asked
        .filter(|address| is_here || !is_loopback(address))
        .cloned()
        .collect()
}

fn is_loopback(address: &str) -> bool {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

/// Asks at each address in turn, for at most `patience` each.
///
/// # Errors
/// If none answers: what each of them did, for people.
pub(super) async fn ask(addresses: &[String], patience: Duration) -> Result<(), String> {
    let mut failures = Vec::new();
    for address in addresses {
        match tokio::time::timeout(patience, ask_one(address)).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(why)) => failures.push(format!("{address}: {why}")),
            Err(_) => failures.push(format!(
                "{address}: no answer within {:.1} s",
                patience.as_secs_f64()
            )),
        }
    }
    Err(failures.join(", "))
}

async fn ask_one(address: &str) -> Result<(), String> {
    let broken = |error: std::io::Error| error.to_string();
    let mut socket = TcpStream::connect(address).await.map_err(broken)?;
    let head = format!(
        "GET /livez HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.map_err(broken)?;
    let mut answer = [0; 5];
    socket.read_exact(&mut answer).await.map_err(broken)?;
    match &answer == b"HTTP/" {
        true => Ok(()),
        false => Err("what answers is no HTTP server".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::restart::template::tests::edge;
    use tokio::net::TcpListener;

    const PATIENCE: Duration = Duration::from_millis(200);

    #[tokio::test]
    async fn only_an_answer_in_http_is_life() {
        let hangs = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let hangs = hangs.local_addr().map(|a| (a.to_string(), hangs));
        let (hangs, _accepts_and_is_silent) = hangs.expect("an address");
        let why = ask(std::slice::from_ref(&hangs), PATIENCE).await;
        assert_eq!(
            why,
            Err(format!("{hangs}: no answer within 0.2 s")),
            "the kernel accepts, nobody answers"
        );

        let refuses = {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            listener.local_addr().expect("an address").to_string()
        };
        let why = ask(std::slice::from_ref(&refuses), PATIENCE)
            .await
            .expect_err("nobody listens");
        assert!(why.contains("refused"), "{why}");

        let answers = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = answers.local_addr().expect("an address").to_string();
        tokio::spawn(async move {
            for answer in ["SSH-2.0-x\r\n", "HTTP/1.1 503 Service Unavailable\r\n\r\n"] {
                let (mut socket, _) = answers.accept().await.expect("asked");
                let mut asked = [0; 256];
                let _ = socket.read(&mut asked).await;
                let _ = socket.write_all(answer.as_bytes()).await;
            }
        });
        let strange = ask(std::slice::from_ref(&address), PATIENCE).await;
        assert!(strange.is_err_and(|why| why.contains("no HTTP server")));
        assert_eq!(ask(&[refuses, address], PATIENCE).await, Ok(()));
    }

    #[test]
    fn a_loopback_address_of_another_machine_is_never_asked() {
        let mut node = edge("e", Some("127.0.0.1:9101".into()));
        assert_eq!(addresses(&node), ["127.0.0.1:9101"]);
        node.addresses.rtmp = Some("10.0.0.7:1935".into());
        assert_eq!(addresses(&node), [""; 0]);
        node.addresses.http = Some("edge-7.example:8080".into());
        assert_eq!(addresses(&node), ["edge-7.example:8080"]);
    }
}

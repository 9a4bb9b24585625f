//! Copies to other servers: what they get, and what becomes of the stream when they are slow or dead.

use crate::support::{Server, Way, rtmp_client::RtmpClient, soon, until, words};
use relay::{Target, dial::Dialler, forward::Forwards, settings::Settings};
use std::{
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// A server that copies every stream to `targets`.
fn forwarding(targets: &[String], ca_file: Option<&Path>) -> Server {
    forwarding_with(Settings::default(), targets, ca_file)
}

fn forwarding_with(settings: Settings, targets: &[String], ca_file: Option<&Path>) -> Server {
    let server = Server::start(settings);
    let targets = targets.iter().map(|target| target.parse::<Target>());
    let forwards = Forwards::new(
        targets.collect::<Result<_, _>>().expect("good targets"),
        Dialler::new(ca_file).expect("a good CA file"),
        server.relay.shards().clone(),
    );
    server.relay.hub().observe(vec![Arc::new(forwards)]);
    server
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("a port");
    (listener, address)
}

#[tokio::test]
async fn a_target_gets_headers_and_frames_and_ends_with_the_stream() {
    let target = Server::start(Settings::default());
    let server = forwarding(&[target.rtmp.to_string()], None);
    let mut publisher = server.publish("a").await;
    publisher.send("m v a k1@0 s1@10 p1@40").await;
    target.has_received("a", 3).await;
    let mut player = target.play(Way::Rtmp, "a").await;
    player.expects("m@0 v@0 a@0 k1@0 s1@10 p1@40").await;
    publisher.send("v2 k2@80").await;
    player.expects("v2@40 k2@80").await;
    let players = server.players("a");
    assert_eq!(players, 0, "a forward is no player");
    publisher.close().await;
    until("the target's stream to end", || !target.is_online("a")).await;
    // The name is good for another publish, and for another forward.
    let mut publisher = server.publish("a").await;
    publisher.send("k3@0").await;
    player.expects("k3@120").await;
}

#[tokio::test]
async fn a_forward_goes_on_when_another_publisher_takes_over() {
    let target = Server::start(Settings::default());
    let mut settings = Settings::default();
    settings.publish.duplicate = relay::hub::Duplicate::Takeover;
    let server = forwarding_with(settings, &[target.rtmp.to_string()], None);
    let mut first = server.publish("a").await;
    first.send("v k1@0").await;
    target.has_received("a", 1).await;
    let mut player = target.play(Way::Flv, "a").await;
    player.expects("v@0 k1@0").await;
    let mut second = server.publish("a").await;
    second.send("v k2@7000").await;
    player.expects("k2@40").await;
}

#[tokio::test]
async fn a_target_that_comes_back_gets_the_headers_and_the_last_gop() {
    let target = Server::start(Settings::default());
    let address = target.rtmp;
    let server = forwarding(&[address.to_string()], None);
    let mut publisher = server.publish("a").await;
    publisher.send("m v k1@0").await;
    target.has_received("a", 1).await;
    target.relay.close().await;
    publisher.send("p1@40 k2@80 p2@120").await;
    server.has_received("a", 4).await;
    let target = Server::start_at(Settings::default(), address);
    target.has_received("a", 2).await;
    let mut player = target.play(Way::Rtmp, "a").await;
    let words = player.words(4).await;
    assert_eq!(words::names(&words), "m v k2 p2");
    publisher.send("p3@160").await;
    player.expects("p3@160").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_reads_nothing_hurts_nobody_and_is_dialled_again() {
    let (deaf, address) = listener().await;
    let good = Server::start(Settings::default());
    let mut settings = Settings::default();
    settings.publish.timeout = service::config::Duration::from_secs(60);
    let targets = [address.to_string(), good.rtmp.to_string()];
    let server = forwarding_with(settings, &targets, None);
    let deafness = tokio::spawn(async move {
        let mut held = Vec::new();
        while held.len() < 2 {
            let (socket, _) = deaf.accept().await.expect("a connection");
            held.push(let_publish(socket).await);
        }
    });
    let mut publisher = server.publish("a").await;
    publisher.send("v").await;
    let mut player = {
        publisher.send("k0@0").await;
        good.has_received("a", 1).await;
        good.play(Way::Flv, "a").await
    };
    player.expects("v@0 k0@0").await;
    for number in 1..=200 {
        publisher
            .send(&format!("p{number}@{}*100000", number * 40))
            .await;
        player.expects(&format!("p{number}@{}", number * 40)).await;
    }
    soon("the deaf target to be dialled again", deafness)
        .await
        .expect("no panic");
}

/// Says yes to a publisher, and then reads nothing of what it sends.
async fn let_publish(mut socket: TcpStream) -> TcpStream {
    use rtmp::server::{Config, Event, Session};
    let mut session = Session::new(Config::default(), [3; 32]);
    let mut buffer = [0; 4096];
    loop {
        let read = socket.read(&mut buffer).await.expect("a client");
        session.input(&buffer[..read]).expect("good RTMP");
        let mut publishes = false;
        while let Some(event) = session.poll() {
            match event {
                Event::Connect(_) => session.accept_connect().expect("good RTMP"),
                Event::Publish(_) => {
                    session.accept_publish().expect("good RTMP");
                    publishes = true;
                }
                _ => {}
            }
        }
        let output = session.output().split();
        socket.write_all(&output).await.expect("a client");
        if publishes {
            return socket;
        }
    }
}

#[tokio::test]
async fn a_hop_adds_little() {
    let target = Server::start(Settings::default());
    let server = forwarding(&[target.rtmp.to_string()], None);
    let mut publisher = server.publish("a").await;
    publisher.send("v k0@0").await;
    target.has_received("a", 1).await;
    let mut player = target.play(Way::Flv, "a").await;
    player.expects("v@0 k0@0").await;
    let mut delays = Vec::new();
    for number in 1..=60 {
        let sent = Instant::now();
        publisher.send(&format!("p{number}@{}", number * 40)).await;
        player.expects(&format!("p{number}@{}", number * 40)).await;
        delays.push(sent.elapsed());
    }
    delays.sort();
    // Two hops and two clients of ours, on a machine that builds meanwhile. A poll anywhere on the way
    // would show in the median.
    assert!(delays[30] < Duration::from_millis(25), "{:?}", delays[30]);
}

#[tokio::test]
async fn a_forward_over_tls_trusts_the_ca_that_it_was_given_and_no_other() {
    let target = Server::start(Settings::default());
    let folder = tempfile::tempdir().expect("a folder");
    let trusted = Authority::new();
    let terminator = trusted.terminate_tls(target.rtmp).await;
    let stranger = Authority::new().terminate_tls(target.rtmp).await;
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, trusted.certificate.pem()).expect("a file");
    let targets = [
        format!("rtmps://{stranger}/live/stolen-[stream]"),
        format!("rtmps://{terminator}/live/[stream]"),
    ];
    let server = forwarding(&targets, Some(&ca_file));
    let mut publisher = server.publish("a").await;
    publisher.send("v a k1@0 s1@10*70000 p1@40").await;
    target.has_received("a", 3).await;
    let mut player = target.play(Way::Rtmp, "a").await;
    player.expects("v@0 a@0 k1@0 s1@10 p1@40").await;
    let stolen = target.relay.hub().find(&Server::path("stolen-a"));
    assert!(
        stolen.is_none(),
        "its certificate is nobody's whom we trust"
    );
}

/// A certificate authority of its own.
struct Authority {
    certificate: rcgen::Certificate,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut params = rcgen::CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("a certificate");
        Self {
            certificate,
            issuer: rcgen::Issuer::new(params, key),
        }
    }

    /// Takes TLS off and passes what is in it on to `server`.
    async fn terminate_tls(&self, server: SocketAddr) -> SocketAddr {
        let key = rcgen::KeyPair::generate().expect("a key");
        let names = vec!["127.0.0.1".to_owned()];
        let params = rcgen::CertificateParams::new(names).expect("a name");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let private = rustls_pki_types::PrivatePkcs8KeyDer::from(key.serialize_der());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private.into())
            .expect("a good key");
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let (listener, address) = listener().await;
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(mut secure) = acceptor.accept(socket).await else {
                        return;
                    };
                    let plain = TcpStream::connect(server).await;
                    let mut plain = plain.expect("the server listens");
                    let _ended = tokio::io::copy_bidirectional(&mut secure, &mut plain).await;
                });
            }
        });
        address
    }
}

#[tokio::test]
async fn a_publisher_is_not_slowed_by_a_target_that_is_not_there() {
    let (gone, address) = listener().await;
    drop(gone);
    let server = forwarding(&[address.to_string()], None);
    let mut publisher: RtmpClient = server.publish("a").await;
    publisher.send("v k1@0").await;
    let mut player = server.play(Way::WebSocket, "a").await;
    player.expects("v@0 k1@0").await;
    publisher.send("p1@40").await;
    player.expects("p1@40").await;
}

#[tokio::test]
async fn a_target_gets_a_stream_to_its_last_frame() {
    let target = Server::start(Settings::default());
    let server = forwarding(&[target.rtmp.to_string()], None);
    let mut publisher = server.publish("a").await;
    publisher.send("v k0@0").await;
    target.has_received("a", 1).await;
    let mut player = target.play(Way::Rtmp, "a").await;
    player.expects("v@0 k0@0").await;
    let rest: Vec<_> = (1..=200).map(|n| format!("p{n}@{}", n * 10)).collect();
    let rest = rest.join(" ");
    publisher.send(&rest).await;
    publisher.close().await;
    player.expects(&rest).await;
}

//! Nodes and the controller know each other by certificates.

use super::world::{Node, PATIENCE, config, eventually, start};
use agent::{Config as Cluster, Role};
use control::wire::{self, control_client::ControlClient, from_node};
use controller::{Config, Controller, config::Token, grpc::config::Tls};
use harness::tls::{Authority, Issued};
use service::config::ClientTls;
use std::{net::SocketAddr, path::Path, time::Duration};
use tokio::net::TcpStream;
use tonic::{
    Code, Status,
    transport::{Certificate, ClientTlsConfig, Endpoint, Identity},
};

/// A config with the controller's certificate, which lets in those whose certificates `nodes` has
/// signed.
fn secured(dir: &Path, own: &Issued, nodes: &Authority) -> Config {
    let mut config = config(dir);
    config.grpc.tls = Tls {
        cert_file: Some(own.certificate.clone()),
        key_file: Some(own.key.clone()),
        client_ca_file: Some(nodes.certificate().to_owned()),
    };
    config
}

/// The origin `one`, which trusts `authority` and shows what it was `issued`.
fn origin(grpc: SocketAddr, authority: &Authority, issued: Option<&Issued>) -> Node {
    let cluster = Cluster {
        controllers: vec![format!("https://{grpc}")],
        node: Some("one".to_owned()),
        tls: ClientTls {
            ca_file: Some(authority.certificate().to_owned()),
            cert_file: issued.map(|issued| issued.certificate.clone()),
            key_file: issued.map(|issued| issued.key.clone()),
        },
        ..Cluster::default()
    };
    Node::configured(&cluster, Role::Origin)
}

/// What the controller says to a node `name` that shows `issued`.
async fn answer(
    grpc: SocketAddr,
    authority: &Authority,
    issued: &Issued,
    name: &str,
) -> Result<(), Status> {
    let read = |file: &Path| std::fs::read(file).expect("it was written");
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(read(authority.certificate())))
        .identity(Identity::from_pem(
            read(&issued.certificate),
            read(&issued.key),
        ));
    let endpoint = Endpoint::from_shared(format!("https://{grpc}")).expect("a URL");
    let endpoint = endpoint.tls_config(tls).expect("good certificates");
    let channel = endpoint.connect().await.expect("it listens");
    let register = wire::Register {
        identity: Some(wire::Identity {
            node: name.to_owned(),
            role: wire::Role::Origin.into(),
            incarnation: 1,
            addresses: Some(wire::Addresses {
                rtmp: "127.0.0.1:1935".to_owned(),
                ..Default::default()
            }),
            ..Default::default()
        }),
        ..Default::default()
    };
    let register = wire::FromNode {
        message: Some(from_node::Message::Register(register)),
    };
    let answered = ControlClient::new(channel)
        .attend(tokio_stream::once(register))
        .await?;
    answered.into_inner().message().await.map(drop)
}

async fn stays_outside(controller: &Controller, node: &Node) {
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!*node.agent.connected().borrow());
    let nobody = |inventory: &controller::model::inventory::Inventory| inventory.nodes().is_empty();
    assert!(controller.model().read(nobody));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_is_let_in_by_its_certificate_and_speaks_only_for_itself() {
    let dir = tempfile::tempdir().expect("a directory");
    let authority = Authority::new().expect("an authority");
    let own = authority.issue("127.0.0.1").expect("issued");
    let controller = start(&secured(dir.path(), &own, &authority)).await;
    let grpc = controller.grpc_address();
    // Somebody who says nothing keeps nobody waiting.
    let _silent = TcpStream::connect(grpc).await.expect("it listens");
    let one = authority.issue("one").expect("issued");
    origin(grpc, &authority, Some(&one)).is_connected().await;

    let refused = answer(grpc, &authority, &one, "two")
        .await
        .expect_err("it is not two");
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
    for said in ["two", "one"] {
        assert!(refused.message().contains(said), "{refused}");
    }
    let racks = authority.issue("*.rack1.example").expect("issued");
    answer(grpc, &authority, &racks, "edge-7.rack1.example")
        .await
        .expect("a rack's certificate");
    answer(grpc, &authority, &racks, "edge-7.rack2.example")
        .await
        .expect_err("another rack");
    controller.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_shows_no_certificate_of_ours_stays_outside() {
    let dir = tempfile::tempdir().expect("a directory");
    let (ours, theirs) = (Authority::new(), Authority::new());
    let (ours, theirs) = (ours.expect("an authority"), theirs.expect("another"));
    let own = ours.issue("127.0.0.1").expect("issued");
    let controller = start(&secured(dir.path(), &own, &ours)).await;
    let grpc = controller.grpc_address();
    let (good, bad) = (ours.issue("one"), theirs.issue("one"));
    let (good, bad) = (good.expect("issued"), bad.expect("issued"));
    let outside = [
        ("it shows none", origin(grpc, &ours, None)),
        ("another authority's", origin(grpc, &ours, Some(&bad))),
        ("it trusts another", origin(grpc, &theirs, Some(&good))),
        ("no TLS at all", Node::origin("one", &[grpc])),
    ];
    for (why, node) in &outside {
        eprintln!("{why}");
        stays_outside(&controller, node).await;
    }
    controller.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_both_asked_for_a_certificate_without_the_token_is_not_enough() {
    let dir = tempfile::tempdir().expect("a directory");
    let authority = Authority::new().expect("an authority");
    let own = authority.issue("127.0.0.1").expect("issued");
    let mut config = secured(dir.path(), &own, &authority);
    config.grpc.token = Some(Token::new("hush"));
    let controller = start(&config).await;
    let one = authority.issue("one").expect("issued");
    let refused = answer(controller.grpc_address(), &authority, &one, "one").await;
    assert_eq!(refused.expect_err("no token").code(), Code::Unauthenticated);
    controller.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_that_are_renewed_are_shown_without_a_restart() {
    let dir = tempfile::tempdir().expect("a directory");
    let authority = Authority::new().expect("an authority");
    let own = authority.issue("127.0.0.1").expect("issued");
    let controller = start(&secured(dir.path(), &own, &authority)).await;
    let (grpc, one) = (controller.grpc_address(), authority.issue("one"));
    let one = one.expect("issued");
    let shown = async || certificate(grpc, &authority, &one).await;
    let before = shown().await;
    // Half of a renewal is no reason to turn nodes away.
    std::fs::write(&own.certificate, "").expect("written");
    assert_eq!(shown().await, before);
    authority.issue("127.0.0.1").expect("issued again");
    eventually("the renewed one", async || {
        (shown().await != before).then_some(())
    })
    .await;
    controller.stop().await;
}

/// The certificate that the controller shows.
async fn certificate(grpc: SocketAddr, authority: &Authority, own: &Issued) -> Vec<u8> {
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
    let mut roots = rustls::RootCertStore::empty();
    let ca = CertificateDer::from_pem_file(authority.certificate()).expect("a certificate");
    roots.add(ca).expect("an authority");
    let chain = vec![CertificateDer::from_pem_file(&own.certificate).expect("a certificate")];
    let key = PrivateKeyDer::from_pem_file(&own.key).expect("a key");
    let config = rustls::ClientConfig::builder()
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .expect("they belong together");
    let socket = TcpStream::connect(grpc).await.expect("it listens");
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
    let name = ServerName::try_from("127.0.0.1").expect("an address");
    let talking = tokio::time::timeout(PATIENCE, connector.connect(name, socket)).await;
    let socket = talking.expect("in time").expect("TLS");
    let shown = socket.get_ref().1.peer_certificates().expect("its own");
    shown.first().expect("at least one").to_vec()
}

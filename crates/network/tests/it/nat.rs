//! Containers and the world outside the host.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use gantry_network::{HostPort, Protocol};

use crate::host::{
    HOST, Namespace, OUTSIDE, accept, container, id, on_a_host, outside_ports, request, run,
};

#[test]
fn containers_reach_the_outside_as_the_host() {
    on_a_host(async |host| {
        let outside = host.outside();
        let network = host.network().await;
        let endpoint = container(&network, "c").await;
        let server = outside.listen("0.0.0.0:443");
        let mut client = Namespace::of(&endpoint).connect((OUTSIDE, 443)).unwrap();
        let (mut served, from) = accept(&server);
        assert_eq!(from.ip(), HOST);
        client.write_all(b"out").unwrap();
        let mut bytes = [0; 3];
        served.read_exact(&mut bytes).unwrap();
        served.write_all(&bytes).unwrap();
        client.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"out");
    });
}

#[test]
fn the_outside_reaches_only_what_is_published_and_is_seen_as_itself() {
    on_a_host(async |host| {
        let outside = host.outside();
        let network = host.network().await;
        let endpoint = container(&network, "c").await;
        let tcp = Namespace::of(&endpoint).listen("0.0.0.0:80");
        let udp = Namespace::of(&endpoint).udp("0.0.0.0:53");
        network.publish(&id("c"), &outside_ports()).await.unwrap();

        outside.connect((HOST, 8080)).unwrap();
        assert_eq!(accept(&tcp).1.ip(), OUTSIDE);

        let asker = outside.udp("0.0.0.0:0");
        asker.send_to(b"where", (HOST, 5353)).unwrap();
        let mut bytes = [0; 16];
        let (length, from) = udp.recv_from(&mut bytes).unwrap();
        assert_eq!(
            (&bytes[..length], from.ip()),
            (&b"where"[..], OUTSIDE.into())
        );
        udp.send_to(b"here", from).unwrap();
        let (length, from) = asker.recv_from(&mut bytes).unwrap();
        assert_eq!(
            (&bytes[..length], from),
            (&b"here"[..], (HOST, 5353).into())
        );

        // The container itself is out of reach, even for those who know the way.
        outside.within(|| {
            run(
                "ip",
                &["route", "add", "10.88.0.0/24", "via", "198.51.100.1"],
            )
        });
        let direct = outside.within(|| {
            TcpStream::connect_timeout(&(endpoint.ip, 80).into(), Duration::from_millis(500))
        });
        assert!(direct.is_err(), "an unpublished port was reached");
    });
}

#[test]
fn a_udp_client_that_never_stops_finds_the_successor() {
    on_a_host(async |host| {
        let outside = host.outside();
        let network = host.network().await;
        let asker = outside.udp("0.0.0.0:0");
        let ports = [request(Protocol::Udp, None, HostPort::Exact(5353), 53)];
        let mut addresses = Vec::new();
        for name in ["first", "second"] {
            let endpoint = container(&network, name).await;
            addresses.push(endpoint.ip);
            let server = Namespace::of(&endpoint).udp("0.0.0.0:53");
            network.publish(&id(name), &ports).await.unwrap();
            asker.send_to(name.as_bytes(), (HOST, 5353)).unwrap();
            let mut bytes = [0; 16];
            let (length, from) = server.recv_from(&mut bytes).unwrap();
            assert_eq!(&bytes[..length], name.as_bytes());
            assert_eq!(from.ip(), OUTSIDE);
            drop(server);
            network.disconnect(&id(name)).await.unwrap();
        }
        assert_ne!(addresses[0], addresses[1]);
    });
}

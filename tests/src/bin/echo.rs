//! Runs in containers: gives back each datagram that comes to port 7.

use std::net::UdpSocket;

fn main() -> std::io::Result<()> {
    let socket = UdpSocket::bind(("0.0.0.0", 7))?;
    let mut bytes = [0; 65_536];
    loop {
        let (length, from) = socket.recv_from(&mut bytes)?;
        socket.send_to(&bytes[..length], from)?;
    }
}

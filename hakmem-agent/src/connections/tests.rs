use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

use super::*;

fn limits(begin_within: Duration, silence_max: Duration) -> Limits {
    Limits { in_all: 4, of_peer: 3, first_bytes: 4, begin_within, silence_max }
}

fn link(connections: &Arc<Connections>, user: u32) -> (DuplexStream, Link<DuplexStream>) {
    let (client, server) = tokio::io::duplex(64);
    (client, Link::new(server, connections, Peer::User(user)))
}

/// The result of reading a byte at the server's end, or the kind of the error.
async fn read(link: &mut Link<DuplexStream>) -> Result<u8, std::io::ErrorKind> {
    link.read_u8().await.map_err(|error| error.kind())
}

#[tokio::test]
async fn a_newcomer_takes_the_place_of_the_most_silent_of_the_greediest() {
    let long = Duration::from_secs(3600);
    let connections = Connections::new("test", limits(long, long));
    let (_a, mut modest) = link(&connections, 1);
    let (mut b, mut spoke) = link(&connections, 2);
    let (_c, mut silent) = link(&connections, 2);
    tokio::time::sleep(Duration::from_millis(5)).await;
    b.write_u8(7).await.unwrap();
    assert_eq!(read(&mut spoke).await, Ok(7));
    let (_d, _third) = link(&connections, 2);
    // User 2 has a share of three, and this would be the fourth.
    let (_e, _fourth) = link(&connections, 2);
    assert_eq!(read(&mut silent).await, Err(std::io::ErrorKind::ConnectionAborted));
    // The listener has all four of its connections, and user 2 has the most of them.
    let (_f, _newcomer) = link(&connections, 3);
    assert_eq!(connections.usage(), Usage { open: 4, closed_for_room: 2, closed_for_silence: 0 });
    let waited = tokio::time::timeout(Duration::from_millis(20), read(&mut modest)).await;
    assert!(waited.is_err(), "the modest one stays");
    drop(modest);
    assert_eq!(connections.usage().open, 3);
}

#[tokio::test]
async fn silence_ends_a_connection_at_its_beginning_and_later() {
    let timed_out = Err(std::io::ErrorKind::TimedOut);
    let never_silent = Duration::from_secs(3600);
    let beginning = limits(Duration::from_millis(50), never_silent);
    let connections = Connections::new("test", beginning);
    let (_client, mut never) = link(&connections, 1);
    assert_eq!(read(&mut never).await, timed_out);
    // A single byte now and then is not enough to begin.
    let (mut client, mut slow) = link(&connections, 1);
    client.write_all(b"PR").await.unwrap();
    let mut buffer = [0; 4];
    let error = slow.read_exact(&mut buffer).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    assert_eq!(connections.usage().closed_for_silence, 2);

    let later = limits(never_silent, Duration::from_millis(50));
    let connections = Connections::new("test", later);
    let (mut client, mut falls_silent) = link(&connections, 1);
    client.write_all(b"PRI ").await.unwrap();
    falls_silent.read_exact(&mut buffer).await.unwrap();
    assert_eq!(read(&mut falls_silent).await, timed_out);
    // A client that does not read counts as silent, like one that does not write.
    let (mut client, mut deaf) = link(&connections, 1);
    client.write_all(b"PRI ").await.unwrap();
    deaf.read_exact(&mut buffer).await.unwrap();
    let error = deaf.write_all(&[0; 100]).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    assert_eq!(connections.usage().closed_for_silence, 2);
}

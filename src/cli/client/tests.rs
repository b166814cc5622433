//! The client against servers that answer early, close, stall, or speak something else.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;

use super::*;

const PATIENCE: Duration = Duration::from_secs(60);

fn client_of(url: &str, answer_timeout: Duration) -> Client {
    let options = ClientOptions {
        user_agent: "test",
        token: None,
        connect_timeout: PATIENCE,
        answer_timeout,
    };
    Client::new(Target::parse(url).expect("a URL"), options)
}

fn client(address: SocketAddr) -> Client {
    client_of(&format!("http://{address}"), PATIENCE)
}

fn run<T>(work: impl Future<Output = T>) -> T {
    block_on(work).expect("a runtime")
}

/// Serves so many connections, one after the other.
fn server(
    connections: usize,
    serve: impl Fn(usize, TcpStream) + Send + 'static,
) -> (SocketAddr, JoinHandle<()>) {
    server_on("127.0.0.1:0", connections, serve)
}

fn server_on(
    listen: &str,
    connections: usize,
    serve: impl Fn(usize, TcpStream) + Send + 'static,
) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind(listen).expect("a port");
    let address = listener.local_addr().expect("its address");
    let thread = std::thread::spawn(move || {
        for number in 0..connections {
            let (stream, _) = listener.accept().expect("a connection");
            stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
            serve(number, stream);
        }
    });
    (address, thread)
}

/// Reads one request without a body.
fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a head");
        head.push(byte[0]);
    }
    String::from_utf8(head).expect("UTF-8")
}

fn answer(stream: &mut TcpStream, body: &str) {
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .expect("sent");
}

#[test]
fn an_answer_that_comes_before_the_request_was_read_is_not_lost() {
    const TIMES: usize = 100;
    let (address, server) = server(TIMES, |_, mut stream| {
        read_head(&mut stream);
        let refusal = "HTTP/1.1 413 x\r\ncontent-length: 5\r\nconnection: close\r\n\r\nlarge";
        stream.write_all(refusal.as_bytes()).expect("sent");
        // It is closed while most of the body is under way: the system resets it.
    });
    let mut client = client(address);
    let body = Bytes::from(vec![b'x'; 8 << 20]);
    run(async {
        for _ in 0..TIMES {
            let answer = client.post("/publish", body.clone(), 100).await;
            let answer = answer.expect("the answer");
            assert_eq!(
                (answer.status.as_u16(), &answer.body[..]),
                (413, &b"large"[..])
            );
        }
    });
    server.join().expect("it served");
}

#[test]
fn a_connection_is_kept_and_one_that_was_closed_while_idle_is_replaced() {
    let (tell, closed) = std::sync::mpsc::channel();
    let (address, server) = server(2, move |number, mut stream| {
        for request in 0..2 {
            read_head(&mut stream);
            answer(&mut stream, &format!("{number}{request}"));
        }
        drop(stream);
        tell.send(()).expect("the client waits");
    });
    let mut client = client(address);
    run(async {
        for expected in [["00", "01"], ["10", "11"]] {
            for expected in expected {
                let answer = client.get("/", 100).await.expect("an answer");
                assert_eq!(answer.body, expected);
            }
            closed.recv_timeout(PATIENCE).expect("it closes");
        }
    });
    server.join().expect("it served");
}

#[test]
fn every_address_of_a_name_is_tried_and_ipv6_works() {
    // `localhost` is mostly both ::1 and 127.0.0.1; only one of them listens.
    let (address, server) = server(1, |_, mut stream| {
        let head = read_head(&mut stream);
        assert!(
            head.starts_with("GET /store/healthz HTTP/1.1\r\n"),
            "{head}"
        );
        answer(&mut stream, "v4");
    });
    let url = format!("http://localhost:{}/store", address.port());
    let answered = run(client_of(&url, PATIENCE).get("/healthz", 100));
    assert_eq!(answered.expect("an answer").body, "v4");
    server.join().expect("it served");

    if TcpListener::bind("[::1]:0").is_err() {
        eprintln!("skipped in part: no IPv6 here");
        return;
    }
    let (address, server) = server_on("[::1]:0", 1, |_, mut stream| {
        let head = read_head(&mut stream);
        assert!(head.contains("host: [::1]:"), "{head}");
        answer(&mut stream, "v6");
    });
    let answered = run(client(address).get("/", 100));
    assert_eq!(answered.expect("an answer").body, "v6");
    server.join().expect("it served");
}

#[test]
fn each_way_to_have_no_answer_is_told() {
    let in_short = |answer: &'static str| {
        let (address, server) = server(1, move |_, mut stream| {
            read_head(&mut stream);
            stream.write_all(answer.as_bytes()).expect("sent");
        });
        let error = run(client(address).get("/", 10)).expect_err("no answer");
        server.join().expect("it served");
        error.in_short()
    };
    assert_eq!(in_short("SSH-2.0-x\r\n\r\n"), "the answer is not HTTP");
    assert_eq!(in_short("HTTP/1.1 200 OK\r\n"), "the answer broke off");
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc";
    assert_eq!(in_short(cut), "the answer broke off");
    let large = "HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n01234567890";
    assert_eq!(in_short(large), "the answer has more than 10 bytes");

    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    // It listens, and never answers.
    let short = Duration::from_millis(50);
    let mut client = client_of(&format!("http://{address}"), short);
    let late = run(client.get("/", 10)).expect_err("no answer");
    assert!(matches!(late, NoAnswer::Late(_)), "{late}");
    drop(listener);
    let refused = run(client.get("/", 10)).expect_err("no answer");
    assert_eq!(refused.in_short(), "connection refused");
}

#[test]
fn a_server_that_needs_longer_is_given_twice_the_time_up_to_a_most() {
    let seconds = |usual: u64, times: usize| {
        let mut client = client_of("http://a", Duration::from_secs(usual));
        (0..times).for_each(|_| client.allow_twice_the_time());
        let grown = client.answer_within.as_secs();
        client.allow_the_usual_time();
        assert_eq!(client.answer_within.as_secs(), usual);
        grown
    };
    assert_eq!(
        [0, 1, 3, 4, 90].map(|times| seconds(60, times)),
        [60, 120, 480, 600, 600]
    );
    assert_eq!([0, 1].map(|times| seconds(3600, times)), [3600, 3600]);

    // It listens, and never answers: what was late is told with the time it had.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    let mut client = client_of(&format!("http://{address}"), Duration::from_millis(20));
    for had_ms in [20, 40, 80] {
        let late = run(client.get("/", 10)).expect_err("no answer");
        assert!(
            matches!(late, NoAnswer::Late(had) if had.as_millis() == had_ms),
            "{late}"
        );
        client.allow_twice_the_time();
    }
}

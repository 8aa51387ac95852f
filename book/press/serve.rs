//! Shows the finished book to a browser on this machine: a static server on the loopback address.

use anyhow::{Context, Result, bail};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

/// The first port to try.
const PORT: u16 = 3000;

/// Serves the directory until the program is ended.
pub(crate) fn serve(book: &Path) -> Result<()> {
    let listener = (PORT..PORT + 20)
        .find_map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok())
        .context("no port is free")?;
    println!("http://{}/  (Ctrl-C ends it)", listener.local_addr()?);
    for stream in listener.incoming() {
        let (stream, book) = (stream?, book.to_owned());
        std::thread::spawn(move || {
            // A browser that goes away in the middle is no concern of the others.
            let _answered = answer(stream, &book);
        });
    }
    Ok(())
}

fn answer(mut stream: TcpStream, book: &Path) -> Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut line = String::new();
    BufReader::new((&stream).take(8192)).read_line(&mut line)?;
    let (status, kind, body) = match file(book, &line).and_then(|path| Ok((fs::read(&path)?, path)))
    {
        Ok((body, path)) => ("200 OK", kind(&path), body),
        Err(_) => ("404 Not Found", "text/plain", b"There is no such page.\n".to_vec()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(&body)?;
    Ok(())
}

/// The file that a request line asks for, never one outside of the book.
fn file(book: &Path, request: &str) -> Result<PathBuf> {
    let mut words = request.split(' ');
    let (Some("GET"), Some(target)) = (words.next(), words.next()) else { bail!("not a GET") };
    let name = target.split(['?', '#']).next().unwrap_or("").trim_start_matches('/');
    let name = Path::new(name);
    if !name.components().all(|part| matches!(part, Component::Normal(_))) {
        bail!("not a name in the book");
    }
    let path = book.join(name);
    Ok(if path.is_dir() { path.join("index.html") } else { path })
}

fn kind(path: &Path) -> &'static str {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css",
        Some("js") => "text/javascript",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_the_book_are_served() {
        let book = tempfile::tempdir().unwrap();
        let at = |request: &str| file(book.path(), request);
        assert_eq!(at("GET /a/b.html?x HTTP/1.1").unwrap(), book.path().join("a/b.html"));
        assert_eq!(at("GET / HTTP/1.1").unwrap(), book.path().join("index.html"));
        assert!(at("GET /../secret HTTP/1.1").is_err());
        assert!(at("POST / HTTP/1.1").is_err());
        assert!(at("").is_err());
    }

    #[test]
    fn a_browser_gets_the_page_or_404() {
        let book = tempfile::tempdir().unwrap();
        fs::write(book.path().join("index.html"), "<h1>Here</h1>").unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let ask = |path: &str| {
            let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            write!(client, "GET {path} HTTP/1.1\r\n").unwrap();
            answer(listener.accept().unwrap().0, book.path()).unwrap();
            let mut told = String::new();
            client.read_to_string(&mut told).unwrap();
            told
        };
        assert!(ask("/").starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/html"));
        assert!(ask("/").ends_with("<h1>Here</h1>"));
        assert!(ask("/gone.html").starts_with("HTTP/1.1 404"));
    }
}

//! Tauri's build step, and a word where the page has not been built.
//!
//! The window's page (`ui/dist`) is embedded in the binary. `make build` builds it first. A debug build without it
//! (`cargo check`, `cargo clippy`) embeds a page that says so; a release build stops here, so that no binary without
//! its page is ever shipped.

use std::path::Path;

const NOT_BUILT: &str = "<!doctype html><meta charset=utf-8><title>Gantry</title>\
<h1>The window's page is not built</h1><p>Run <code>make build</code>, or \
<code>npm --prefix ui ci &amp;&amp; npm --prefix ui run build</code>, then build gantry-desktop again.</p>";

fn main() {
    println!("cargo:rerun-if-changed=../ui/dist");
    println!("cargo:rerun-if-changed=icons");
    if !Path::new("../ui/dist/index.html").is_file() {
        if std::env::var("PROFILE").as_deref() == Ok("release") {
            eprintln!("ui/dist is missing: run `make build`, which builds the window's page first");
            std::process::exit(1);
        }
        if let Err(error) = embed_word() {
            eprintln!("cannot write the page that stands in for ui/dist: {error}");
            std::process::exit(1);
        }
        println!(
            "cargo:warning=ui/dist is missing: gantry-desktop is built without its page (make build builds both)"
        );
    }
    tauri_build::build();
}

/// Points `generate_context!`, which reads `TAURI_CONFIG`, at a page in `OUT_DIR`.
fn embed_word() -> std::io::Result<()> {
    let out = std::env::var_os("OUT_DIR").ok_or(std::io::ErrorKind::NotFound)?;
    let page = Path::new(&out).join("page");
    std::fs::create_dir_all(&page)?;
    std::fs::write(page.join("index.html"), NOT_BUILT)?;
    println!(
        "cargo:rustc-env=TAURI_CONFIG={{\"build\":{{\"frontendDist\":{:?}}}}}",
        page.to_string_lossy()
    );
    Ok(())
}

use super::*;

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[test]
fn normalises_as_docker_does() {
    for (text, full, familiar) in [
        ("x", "docker.io/library/x:latest", "x:latest"),
        ("x:1.0", "docker.io/library/x:1.0", "x:1.0"),
        ("docker.io/x", "docker.io/library/x:latest", "x:latest"),
        ("index.docker.io/a/b", "docker.io/a/b:latest", "a/b:latest"),
        (
            "docker.io/library/x",
            "docker.io/library/x:latest",
            "x:latest",
        ),
        (
            "library/a/b",
            "docker.io/library/a/b:latest",
            "library/a/b:latest",
        ),
        ("a/b/c:t", "docker.io/a/b/c:t", "a/b/c:t"),
        ("localhost/x", "localhost/x:latest", "localhost/x:latest"),
        (
            "localhost:5000/x",
            "localhost:5000/x:latest",
            "localhost:5000/x:latest",
        ),
        ("[::1]:5000/x", "[::1]:5000/x:latest", "[::1]:5000/x:latest"),
        ("[fe80::1]/x", "[fe80::1]/x:latest", "[fe80::1]/x:latest"),
        ("Host/x", "Host/x:latest", "Host/x:latest"),
        (
            "ghcr.io/a__b/c---d.e_f",
            "ghcr.io/a__b/c---d.e_f:latest",
            "ghcr.io/a__b/c---d.e_f:latest",
        ),
        ("x:5000", "docker.io/library/x:5000", "x:5000"),
    ] {
        let reference = Reference::parse(text).expect(text);
        assert_eq!(reference.to_string(), full, "{text}");
        assert_eq!(reference.familiar(), familiar, "{text}");
        assert_eq!(Reference::parse(full).as_ref(), Ok(&reference));
        assert_eq!(Reference::parse(familiar).as_ref(), Ok(&reference));
    }
}

#[test]
fn digests_stand_alone_or_with_a_tag() {
    let alone = Reference::parse(&format!("x@{DIGEST}")).expect("digest");
    assert_eq!(alone.tag(), None);
    assert_eq!(alone.familiar(), format!("x@{DIGEST}"));
    let both = Reference::parse(&format!("x:1@{DIGEST}")).expect("both");
    assert_eq!(both.tag(), Some("1"));
    assert_eq!(both.to_string(), format!("docker.io/library/x:1@{DIGEST}"));
}

#[test]
fn refuses_what_docker_refuses() {
    use InvalidReference as E;
    let long = "a".repeat(256);
    let tag = format!("x:{}", "t".repeat(129));
    for (text, why) in [
        ("", E::Format),
        (":", E::Format),
        ("x:", E::Format),
        ("x:-a", E::Format),
        (&tag, E::Format),
        ("/x", E::Format),
        ("x/", E::Format),
        ("a//b", E::Format),
        ("a..b", E::Format),
        ("a___b", E::Format),
        ("a.-b", E::Format),
        ("-a", E::Format),
        ("a-", E::Format),
        ("../../etc/passwd", E::Format),
        ("a b", E::Format),
        ("x\n", E::Format),
        ("\u{fc}", E::Format),
        ("x@", E::Format),
        ("x@sha256:12", E::Format),
        (
            "x@sha256:e3b0c44298fc1c149afbf4c8996fb924",
            E::Digest(InvalidDigest::Length),
        ),
        (
            "x@md5:d41d8cd98f00b204e9800998ecf8427e",
            E::Digest(InvalidDigest::Algorithm),
        ),
        ("X", E::Uppercase("X".into())),
        ("docker.io/Abc:latest", E::Uppercase("Abc".into())),
        ("host:/x", E::Format),
        ("ho_st.x/y", E::Format),
        ("[::1/x", E::Format),
        ("[]:5/x", E::Format),
        ("[::1]5/x", E::Format),
        (&long, E::TooLong),
        (&DIGEST[7..], E::LooksLikeId(DIGEST[7..].into())),
    ] {
        assert_eq!(Reference::parse(text), Err(why), "{text:?}");
    }
}

proptest::proptest! {
    #[test]
    fn whatever_parses_is_written_so_that_it_parses_to_the_same(text in "[a-zA-Z0-9./:@_\\[\\]-]{0,40}") {
        if let Ok(reference) = Reference::parse(&text) {
            assert_eq!(Reference::parse(&reference.to_string()).as_ref(), Ok(&reference));
            assert_eq!(Reference::parse(&reference.familiar()).as_ref(), Ok(&reference));
        }
    }
}

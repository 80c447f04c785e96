//! Registries that ask who is there, and mirrors that are not told.

use gantry_image::{Auth, ErrorKind, Options};

use super::reference;
use crate::Place;
use crate::fake::{Answer, Fake};
use crate::registry::Registry;
use crate::tars::small_image;

#[tokio::test]
async fn a_registry_that_wants_a_password_gets_it() {
    let (place, registry) = (Place::new(), Registry::start_private().await);
    registry.push("x", "latest", &small_image("secret")).await;
    let images = place.open().await;
    let name = reference(&registry.name("x"));
    let account = |password: &str| Auth::Password {
        user: crate::registry::USER.into(),
        password: password.into(),
    };
    let (right, wrong) = (account(crate::registry::PASSWORD), account("wrong"));
    let refused = (
        "unauthorized: authentication required",
        ErrorKind::Unauthorized,
    );

    let error = images
        .pull(&name, None, None, |_| ())
        .await
        .expect_err("none");
    assert!(
        error.to_string().ends_with("no basic auth credentials"),
        "{error}"
    );
    let pulled = images.pull(&name, None, Some(wrong.clone()), |_| ()).await;
    let error = pulled.expect_err("wrong");
    assert_eq!((error.to_string().as_str(), error.kind()), refused);
    let login = images.login(&registry.host, &wrong).await;
    let error = login.expect_err("wrong");
    assert_eq!((error.to_string().as_str(), error.kind()), refused);

    images.login(&registry.host, &right).await.expect("right");
    images
        .pull(&name, None, Some(right), |_| ())
        .await
        .expect("right");
}

#[tokio::test]
async fn bearer_tokens_are_fetched_where_the_challenge_says() {
    let tokens = Fake::start(|request| {
        let good = request.headers.get("authorization").map(String::as_str) == Some("Basic dXNlcjpzZWNyZXQ=");
        let scope = request.path == "/token?service=reg&scope=repository%3Ax%3Apull";
        match (good, scope) {
            (true, true) => Answer::ok(r#"{"token":"abc"}"#),
            (_, false) => Answer::status(400, "scope"),
            (false, _) => Answer::status(401, r#"{"errors":[{"code":"UNAUTHORIZED","message":"incorrect username or password"}]}"#),
        }
    })
    .await;
    let challenge = format!(
        "Bearer realm=\"http://{}/token\",service=\"reg\"",
        tokens.host
    );
    let fake = Fake::image(small_image("secret"), move |request| {
        match request.headers.get("authorization").map(String::as_str) {
            Some("Bearer abc") => None,
            Some(_) => Some(Answer::status(403, r#"{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}"#)),
            None => Some(Answer::status(401, "").header("WWW-Authenticate", challenge.clone())),
        }
    })
    .await;
    let place = Place::new();
    let images = place.open().await;
    let name = reference(&fake.name());
    let error = images
        .pull(&name, None, None, |_| ())
        .await
        .expect_err("none");
    assert_eq!(
        error.to_string(),
        "unauthorized: incorrect username or password"
    );
    let token = Auth::RegistryToken("other".into());
    let error = images
        .pull(&name, None, Some(token), |_| ())
        .await
        .expect_err("denied");
    assert_eq!(
        error.to_string(),
        format!(
            "pull access denied for {}, repository does not exist or may require 'docker login': denied: requested access to the resource is denied",
            name.familiar_name()
        )
    );
    let auth = Auth::Password {
        user: "user".into(),
        password: "secret".into(),
    };
    images
        .pull(&name, None, Some(auth), |_| ())
        .await
        .expect("right");
    assert_eq!(tokens.requests().len(), 2, "one token serves all requests");
}

#[tokio::test]
async fn mirrors_are_tried_before_docker_io_without_its_credentials() {
    let (place, registry) = (Place::new(), Registry::start().await);
    let image = small_image("mirrored");
    registry.push("library/mirrored", "latest", &image).await;
    let empty = Fake::start(|_| Answer::status(404, "")).await;
    let broken = Fake::start(|_| Answer::status(500, "")).await;
    let options = Options {
        registry_mirrors: vec![
            format!("http://{}", empty.host),
            format!("http://{}/", broken.host),
            format!("http://{}", registry.host),
        ],
        ..Options::default()
    };
    let images = place.open_with(options).await;
    let auth = Auth::Password {
        user: "hub".into(),
        password: "secret".into(),
    };
    let pulled = images
        .pull(&reference("mirrored"), None, Some(auth), |_| ())
        .await
        .expect("pull");
    assert_eq!(pulled.reference.familiar(), "mirrored:latest");
    assert_eq!(
        images.get("mirrored").await.expect("get").id.to_string(),
        image.id()
    );
    assert!(!empty.requests().is_empty() && !broken.requests().is_empty());
    assert!(
        empty
            .requests()
            .iter()
            .all(|request| !request.headers.contains_key("authorization"))
    );
}

use serde_json::{Value, json};

use super::{Methods, Mode, Template};

fn data() -> Value {
    json!({
        "Id": "abc",
        "Name": "/web",
        "State": {"Status": "running", "Running": true, "ExitCode": 0, "Pid": 42},
        "Config": {"Env": ["A=1", "B=2"], "Labels": {"com.x": "y", "z": "w"}, "Cmd": null},
        "NetworkSettings": {
            "Ports": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}], "90/tcp": null},
            "Networks": {"bridge": {"IPAddress": "172.17.0.2"}}
        },
        "Server": {"ApiVersion": "1.47"},
        "Size": 1.5
    })
}

fn render(text: &str) -> String {
    match Template::parse(text).and_then(|template| template.render(&data())) {
        Ok(text) => text,
        Err(error) => format!("error: {error}"),
    }
}

#[test]
fn fields_are_found_by_json_and_by_go_names() {
    assert_eq!(
        render("{{.Id}} {{.ID}} {{.Server.APIVersion}}"),
        "abc abc 1.47"
    );
    assert_eq!(
        render("{{.State.Running}} {{.State.ExitCode}} {{.Size}}"),
        "true 0 1.5"
    );
    assert_eq!(render("plain"), "plain");
}

#[test]
fn values_print_as_go_prints_them() {
    assert_eq!(render("{{.Config.Env}}"), "[A=1 B=2]");
    assert_eq!(render("{{.Config.Labels}}"), "map[com.x:y z:w]");
    assert_eq!(render("{{.Config.Cmd}}"), "<nil>");
    assert_eq!(
        render("{{json .State}}"),
        r#"{"Status":"running","Running":true,"ExitCode":0,"Pid":42}"#
    );
}

#[test]
fn what_people_ask_inspect_for() {
    assert_eq!(
        render(r#"{{(index (index .NetworkSettings.Ports "80/tcp") 0).HostPort}}"#),
        "8080"
    );
    assert_eq!(render(r#"{{index .Config.Labels "com.x"}}"#), "y");
    assert_eq!(render(r#"[{{index .Config.Labels "none"}}]"#), "[]");
    assert_eq!(
        render("{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"),
        "172.17.0.2"
    );
    assert_eq!(
        render(
            "{{range $p, $c := .NetworkSettings.Ports}}{{$p}}:{{if $c}}{{(index $c 0).HostPort}}{{else}}-{{end}} {{end}}"
        ),
        "80/tcp:8080 90/tcp:- "
    );
    assert_eq!(
        render("{{range .Config.Env}}{{println .}}{{end}}"),
        "A=1\nB=2\n"
    );
    assert_eq!(
        render("{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}"),
        "none"
    );
    assert_eq!(render("{{if not .State.Health}}none{{end}}"), "none");
    assert_eq!(
        render(r#"{{join .Config.Env ","}} {{len .Config.Env}}"#),
        "A=1,B=2 2"
    );
    assert_eq!(render("{{.Name | upper | printf \"%s!\"}}"), "/WEB!");
    assert_eq!(
        render("{{slice .Id 0 2}} {{truncate .Name 2}} {{title \"ab cd\"}}"),
        "ab /w Ab Cd"
    );
}

#[test]
fn control() {
    assert_eq!(
        render(r#"{{if eq .State.Status "exited" "running"}}a{{else if true}}b{{end}}"#),
        "a"
    );
    assert_eq!(
        render(r#"{{if eq .Id "x"}}a{{else if .State.Running}}b{{else}}c{{end}}"#),
        "b"
    );
    assert_eq!(render("{{with .State}}{{.Pid}}/{{$.Id}}{{end}}"), "42/abc");
    assert_eq!(
        render("{{range $i, $e := .Config.Env}}{{if $i}}, {{end}}{{$e}}{{end}}"),
        "A=1, B=2"
    );
    assert_eq!(render("{{$x := 1}}{{if true}}{{$x = 2}}{{end}}{{$x}}"), "2");
    assert_eq!(render("{{range .Config.Env}}{{break}}{{end}}done"), "done");
    assert_eq!(
        render("{{range .Config.Cmd}}x{{else}}empty{{end}}"),
        "empty"
    );
    assert_eq!(
        render("{{and .State.Running .Id}} {{or .Config.Cmd \"d\"}}"),
        "abc d"
    );
    assert_eq!(
        render("a  {{- /* note */ -}}  b {{- \" c\" -}} \n d"),
        "ab cd"
    );
    assert_eq!(
        render("{{if and (gt .State.Pid 41) (lt .State.Pid 43.5)}}yes{{end}}"),
        "yes"
    );
}

#[test]
fn printing_with_a_format() {
    assert_eq!(
        render(r#"{{printf "%-6s|%5d|%.2f|%q|%v%%" .Id .State.Pid .Size .Id true}}"#),
        "abc   |   42|1.50|\"abc\"|true%"
    );
    assert_eq!(render(r#"{{printf "%d %s" 1}}"#), "1 %!s(MISSING)");
}

#[test]
fn errors_say_where_and_what() {
    insta::assert_snapshot!(render("{{.Nope}}"), @r#"error: template: :1:2: executing "": map has no entry for key "Nope""#);
    insta::assert_snapshot!(render("{{.State.Health.Status}}"), @r#"error: template: :1:2: executing "": map has no entry for key "Health""#);
    insta::assert_snapshot!(render("{{.Id.X}}"), @r#"error: template: :1:2: executing "": can't evaluate field X in type string"#);
    insta::assert_snapshot!(render("{{nope .Id}}"), @r#"error: template: :1:: function "nope" not defined"#);
    insta::assert_snapshot!(render("{{.Id"), @"error: template: :1:: unclosed action");
    insta::assert_snapshot!(render("{{if .Id}}x"), @"error: template: :1:: unexpected EOF");
    insta::assert_snapshot!(render("{{end}}"), @"error: template: :1:: unexpected {{end}}");
    insta::assert_snapshot!(render("{{(.Id}}"), @"error: template: :1:: unclosed left paren");
    insta::assert_snapshot!(render("{{index .Config.Env 9}}"), @r#"error: template: :1:2: executing "": error calling index: index out of range: 9"#);
}

#[test]
fn deep_nesting_is_refused_rather_than_followed() {
    let text = "{{".to_owned() + &"(".repeat(100_000) + "}}";
    assert!(render(&text).contains("nested too deep"));
    let text = "{{if 1}}".repeat(100_000);
    assert!(render(&text).contains("nested too deep"));
}

#[test]
fn methods_of_the_outermost_value() {
    struct Label;
    impl Methods for Label {
        fn call(&self, name: &str, arguments: &[Value]) -> Option<Value> {
            (name == "Label").then(|| format!("<{}>", arguments[0]).into())
        }
    }
    let template = Template::parse(r#"{{.Label "a"}}"#).unwrap();
    let out = template
        .render_with(&json!({}), &Label, Mode::Data)
        .unwrap();
    assert_eq!(out, "<\"a\">");
}

#[test]
fn a_field_without_a_value_prints_as_what_is_known_of_it() {
    struct Known;
    impl Methods for Known {
        fn empty(&self, name: &str) -> Option<&'static str> {
            (name == "Cmd").then_some("[]")
        }
    }
    let shown = |text: &str| {
        let template = Template::parse(text).unwrap();
        template.render_with(&json!({"A": {"Cmd": null, "B": null}}), &Known, Mode::Data)
    };
    assert_eq!(
        shown("{{.A.Cmd}} {{.Cmd}} {{.A.B}}").unwrap(),
        "[] [] <nil>"
    );
    assert_eq!(shown("{{json .A.Cmd}} {{len .A.Cmd}}").unwrap(), "null 0");
    assert!(shown("{{.A.C}}").is_err() && shown("{{.Cmd.X}}").is_err());
}

#[test]
fn what_one_piece_lacks_is_no_value_where_pieces_differ() {
    let template = Template::parse("{{.Type}} {{.Actor.Attributes.name}}").unwrap();
    let event = json!({"Type": "volume", "Actor": {"Attributes": {}}});
    assert!(template.render(&event).is_err());
    let out = template.render_with(&event, &super::NoMethods, Mode::Sparse);
    assert_eq!(out.unwrap(), "volume <no value>");
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "(\\{\\{|\\}\\}|[-.$|()\"`a-zA-Z0-9 :=,]|if|range|end|else|/\\*|\\*/|é){0,40}") {
        let _ = render(&text);
    }
}

//! The tutorial's pages: fragments of HTML in `pages/<language>/`, set into
//! one frame with the navigation around them.

/// A language of the tutorial, with the words of the frame around the pages.
pub(crate) struct Language {
    /// The folder and the `lang` attribute's value.
    pub(crate) code: &'static str,
    tag: &'static str,
    name: &'static str,
    title: &'static str,
    skip: &'static str,
    steps: &'static str,
    next: &'static str,
    foot: &'static str,
    pages: [Page; 8],
}

struct Page {
    file: &'static str,
    title: &'static str,
    body: &'static str,
}

macro_rules! pages {
    ($code:literal: $($file:literal $title:literal),+ $(,)?) => {
        [$(Page {
            file: concat!($file, ".html"),
            title: $title,
            body: include_str!(concat!("../pages/", $code, "/", $file, ".html")),
        }),+]
    };
}

pub(crate) static LANGUAGES: [Language; 2] = [
    Language {
        code: "en",
        tag: "en",
        name: "English",
        title: "Getting started with Gantry",
        skip: "Skip to the page",
        steps: "Steps",
        next: "Next: ",
        foot: "This page is served by a container on your own machine. Nothing of it comes from the network.",
        pages: pages!("en":
            "index" "Welcome",
            "run" "Run a container",
            "logs" "Look at its logs",
            "change" "Change it",
            "build" "Make your own image",
            "volumes" "Keep your data",
            "share" "Share an image",
            "compose" "Several together",
        ),
    },
    Language {
        code: "zh",
        tag: "zh-CN",
        name: "简体中文",
        title: "Gantry 入门",
        skip: "跳到正文",
        steps: "步骤",
        next: "下一步：",
        foot: "这个页面由您自己电脑上的容器提供，没有任何内容来自网络。",
        pages: pages!("zh":
            "index" "欢迎",
            "run" "运行容器",
            "logs" "查看日志",
            "change" "修改容器",
            "build" "制作镜像",
            "volumes" "保存数据",
            "share" "分享镜像",
            "compose" "多个容器",
        ),
    },
];

/// Every file of the site with its path below the site's root.
pub(crate) fn files() -> Vec<(String, Vec<u8>)> {
    let mut files = vec![
        (
            "style.css".to_owned(),
            include_bytes!("../pages/style.css").to_vec(),
        ),
        (
            "logo.svg".to_owned(),
            include_bytes!("../pages/logo.svg").to_vec(),
        ),
    ];
    for (at, language) in LANGUAGES.iter().enumerate() {
        let other = &LANGUAGES[(at + 1) % LANGUAGES.len()];
        for number in 0..language.pages.len() {
            let name = format!("{}/{}", language.code, language.pages[number].file);
            files.push((name, page(language, other, number).into_bytes()));
        }
    }
    files
}

fn page(language: &Language, other: &Language, number: usize) -> String {
    let page = &language.pages[number];
    let steps: String = (language.pages.iter())
        .map(|step| {
            let here = if step.file == page.file {
                " aria-current=\"page\""
            } else {
                ""
            };
            format!(
                "<li><a href=\"{}\"{here}>{}</a></li>\n",
                step.file, step.title
            )
        })
        .collect();
    let next = (language.pages.get(number + 1)).map_or(String::new(), |next| {
        format!(
            "<p class=\"next\"><a href=\"{}\">{}{} →</a></p>",
            next.file, language.next, next.title
        )
    });
    include_str!("../pages/layout.html")
        .replace("{tag}", language.tag)
        .replace("{page}", page.title)
        .replace("{title}", language.title)
        .replace("{skip}", language.skip)
        .replace("{label}", language.steps)
        .replace("{steps}", &steps)
        .replace("{other}", &format!("../{}/{}", other.code, page.file))
        .replace("{other_tag}", other.tag)
        .replace("{other_name}", other.name)
        .replace("{next}", &next)
        .replace("{foot}", language.foot)
        .replace("{body}", page.body)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn links(html: &str) -> impl Iterator<Item = &str> {
        ["href=\"", "src=\""]
            .into_iter()
            .flat_map(|mark| html.split(mark).skip(1))
            .map(|rest| rest.split('"').next().expect("a quote ends an attribute"))
    }

    #[test]
    fn every_link_leads_to_a_page_of_the_site() {
        let files = files();
        let names: BTreeSet<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
        let mut seen = 0;
        for (name, bytes) in files.iter().filter(|(name, _)| name.ends_with(".html")) {
            let folder = name.split('/').next().expect("a folder");
            for link in links(std::str::from_utf8(bytes).expect("UTF-8"))
                .filter(|link| !link.starts_with('#'))
            {
                let target = match (link.strip_prefix("../"), link.strip_prefix('/')) {
                    (Some(up), _) => up.to_owned(),
                    (_, Some(whole)) => whole.to_owned(),
                    _ => format!("{folder}/{link}"),
                };
                assert!(names.contains(target.as_str()), "{name} links to {link}");
                seen += 1;
            }
        }
        assert!(seen > 100, "only {seen} links");
    }

    #[test]
    fn no_mark_of_the_frame_is_left() {
        for (name, bytes) in files().iter().filter(|(name, _)| name.ends_with(".html")) {
            let html = std::str::from_utf8(bytes).expect("UTF-8");
            for mark in [
                "{tag}", "{page}", "{title}", "{steps}", "{body}", "{next}", "{other", "{foot}",
                "{label}",
            ] {
                assert!(!html.contains(mark), "{name} holds {mark}");
            }
        }
    }
}

//! One page, as it looks: at three widths, light and dark.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::driver::Browser;

/// What is wrong with a page, in words.
pub(super) type Fault = String;

/// axe-core as published, under the Mozilla Public License 2.0.
const AXE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/browser/vendor/axe-core-4.14.1.min.js");
const WIDTHS: [u32; 3] = [1280, 900, 400];
const THEMES: [&str; 2] = ["light", "dark"];
const HEIGHT: u32 = 800;
/// Of longer pages the beginning is pictured.
const HEIGHT_MAX: u32 = 3000;

/// What axe finds, in a line each.
const RULES: &str = "
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
    const told = ({id, nodes}) => `${id}: ${nodes.length} × ${nodes[0].html.slice(0, 200)} ${nodes[0].failureSummary}`;
    return axe.run(document, {runOnly: tags}).then(({violations}) => violations.map(told))";
/// What comes from elsewhere.
const FOREIGN: &str = "
    const from = performance.getEntriesByType('resource').map((it) => it.name);
    return from.filter((name) => new URL(name).origin !== location.origin)";
const OVERFLOW: &str = "
    const page = document.documentElement;
    return page.scrollWidth - page.clientWidth";

/// Looks at a page, and leaves pictures of it; returns what is wrong with it.
pub(super) async fn look_at(browser: &Browser, name: &str, address: &str) -> Vec<Fault> {
    browser.open(address).await;
    browser.run(&fs::read_to_string(AXE).unwrap()).await;
    let mut faults = Vec::new();
    for width in WIDTHS {
        browser.size(width, HEIGHT).await;
        let overflow = browser.run(OVERFLOW).await.as_i64().unwrap();
        if overflow > 0 {
            faults.push(format!("{address} is {overflow} wider than {width}"));
        }
        let height = browser.run("return document.documentElement.scrollHeight").await;
        let height = u32::try_from(height.as_u64().unwrap()).unwrap();
        for theme in THEMES {
            browser.theme(theme).await;
            // What depends on the width is about layout, and looks the same in both themes.
            if width == WIDTHS[0] || (width == WIDTHS[2] && theme == THEMES[0]) {
                let broken = lines(&browser.run(RULES).await);
                faults.extend(
                    broken
                        .iter()
                        .map(|rule| format!("{address}, {width} wide and {theme}, breaks {rule}")),
                );
            }
            browser.size(width, height.clamp(HEIGHT, HEIGHT_MAX)).await;
            fs::write(picture(&format!("{name}-{width}-{theme}")), browser.picture().await)
                .unwrap();
            browser.size(width, HEIGHT).await;
        }
    }
    let foreign = lines(&browser.run(FOREIGN).await);
    faults.extend(foreign.iter().map(|from| format!("{address} loads {from}")));
    faults
}

fn lines(told: &Value) -> Vec<String> {
    let lines = told.as_array().unwrap().iter();
    lines.map(|line| line.as_str().unwrap().to_owned()).collect()
}

/// Where a picture is put: beside what cargo builds.
fn picture(name: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let pictures = target.join("console-pictures");
    fs::create_dir_all(&pictures).unwrap();
    pictures.join(format!("{name}.png"))
}

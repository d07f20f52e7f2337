//! The graph as a picture: a lane per service, and a row per event, from who says it to who reads it,
//! in the order in which a saga comes by. Each row has one label, so none covers another.

mod style;

use std::fmt::Write as _;

use self::style::STYLE;
use super::{Edge, EdgeKind};
use crate::Graph;

/// How wide a letter of a label is at most, in the larger of its two sizes.
const LETTER: usize = 14;
/// The least distance between two lanes, and from the outer ones to the edges.
const PITCH: usize = 190;
const MARGIN: usize = 110;
/// Where the lanes begin, below the services' names.
const TOP: usize = 96;
/// The height of a row, and of a heading above rows.
const ROW: usize = 46;
const HEADING: usize = 52;
/// How far the line of an event goes that nobody reads.
const STUB: usize = 40;
/// How far a label is from the lane where it begins.
const GAP: usize = 14;
/// How many colours there are for services.
const COLOURS: usize = 8;

/// An event: a row of the picture.
struct Row<'a> {
    event: &'a str,
    kind: EdgeKind,
    from: usize,
    to: Vec<(usize, &'a Edge<'a>)>,
    undoes: Option<&'a str>,
}

impl Graph<'_> {
    /// The graph as SVG, by itself or to be put into a page: a lane per service, a row per event. It
    /// is readable on light and dark screens, needs no fonts, and in a narrow place its text is larger.
    pub fn svg(self) -> String {
        let edges = self.edges();
        let rows = rows(self, &edges);
        let names: Vec<&str> = self.services().iter().map(|it| it.service.as_str()).collect();
        let canvas = Canvas::of(&names, &rows);
        let mut svg = canvas.opening(&description(&rows, &names));
        canvas.lanes(&mut svg, self);
        let mut y = TOP;
        let mut section = None;
        for row in &rows {
            if section.replace(row.kind) != Some(row.kind) {
                canvas.heading(&mut svg, y, row.kind);
                y += HEADING;
            }
            canvas.row(&mut svg, y, row, &names);
            y += ROW;
        }
        canvas.legend(&mut svg);
        svg + "</svg>\n"
    }
}

/// The events, each with those who read it.
fn rows<'a>(graph: Graph<'a>, edges: &'a [Edge<'a>]) -> Vec<Row<'a>> {
    let place = |name: &str| graph.services().iter().position(|it| it.service == name);
    let mut rows: Vec<Row<'_>> = Vec::new();
    for edge in edges {
        let Some(from) = place(edge.from) else { continue };
        let to = edge.to.and_then(place).map(|to| (to, edge));
        match rows.last_mut().filter(|row| (row.event, row.from) == (edge.event, from)) {
            Some(row) => row.to.extend(to),
            None => rows.push(Row {
                event: edge.event,
                kind: edge.kind,
                from,
                to: to.into_iter().collect(),
                undoes: edge.undoes,
            }),
        }
    }
    rows
}

/// Where everything is.
struct Canvas {
    pitch: usize,
    margin: usize,
    width: usize,
    /// Where the lanes end.
    bottom: usize,
}

impl Canvas {
    fn of(names: &[&str], rows: &[Row<'_>]) -> Self {
        let longest = names.iter().map(|it| it.chars().count()).max().unwrap_or_default();
        let pitch = PITCH.max((longest + 1) * LETTER);
        let label = rows.iter().map(|it| it.event.chars().count()).max().unwrap_or_default();
        let margin = MARGIN.max(pitch / 2);
        let lanes = 2 * margin + pitch * names.len().saturating_sub(1);
        let width = lanes.max(label * LETTER + 2 * margin);
        let sections = rows.chunk_by(|a, b| a.kind == b.kind).count();
        let bottom = TOP + sections * HEADING + rows.len() * ROW;
        Self { pitch, margin, width, bottom }
    }

    fn lane(&self, at: usize) -> usize {
        self.margin + at * self.pitch
    }

    fn opening(&self, description: &str) -> String {
        let (width, height) = (self.width, self.bottom + HEADING);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"farandole-dance\" role=\"img\" \
             aria-labelledby=\"dance-title dance-text\" viewBox=\"0 0 {width} {height}\" width=\"100%\" \
             style=\"max-width:{width}px\">\n\
             <title id=\"dance-title\">Who says what to whom</title>\n\
             <desc id=\"dance-text\">{}</desc>\n<style>{STYLE}</style>\n\
             <rect class=\"sheet\" x=\"1\" y=\"1\" width=\"{}\" height=\"{}\" rx=\"12\"/>\n",
            escaped(description),
            width - 2,
            height - 2
        )
    }

    fn lanes(&self, svg: &mut String, graph: Graph<'_>) {
        for (at, service) in graph.services().iter().enumerate() {
            let (x, colour, bottom) = (self.lane(at), at % COLOURS, self.bottom);
            let name = escaped(&service.service);
            let initial: String = name.chars().take(1).flat_map(char::to_uppercase).collect();
            let answers = match service.owner.trim() {
                "" => "nobody answers for it".to_owned(),
                owner => format!("{} answers for it", escaped(owner)),
            };
            let _ = writeln!(
                svg,
                "<g class=\"lane c{colour}\"><title>{name}: {answers}</title>\
                 <path d=\"M{x} {TOP}V{bottom}\"/><circle cx=\"{x}\" cy=\"36\" r=\"17\"/>\
                 <text class=\"initial\" x=\"{x}\" y=\"41\">{initial}</text>\
                 <text class=\"name\" x=\"{x}\" y=\"80\">{name}</text></g>"
            );
        }
    }

    fn heading(&self, svg: &mut String, y: usize, kind: EdgeKind) {
        let text = match kind {
            EdgeKind::Forward => "Forward",
            EdgeKind::Failure => "Failures",
            EdgeKind::Undoing => "Compensations",
        };
        let (line, baseline, end) = (y + 10, y + 37, self.width - 20);
        if y > TOP {
            let _ = writeln!(svg, "<path class=\"rule\" d=\"M20 {line}H{end}\"/>");
        }
        let _ = writeln!(svg, "<text class=\"heading\" x=\"20\" y=\"{baseline}\">{text}</text>");
    }

    fn row(&self, svg: &mut String, y: usize, row: &Row<'_>, names: &[&str]) {
        let (y, from) = (y + 32, self.lane(row.from));
        let reached = || row.to.iter().map(|(to, _)| self.lane(*to));
        let (mut left, mut right) =
            (reached().fold(from, usize::min), reached().fold(from, usize::max));
        let is_last = row.from + 1 == names.len() && names.len() > 1;
        if row.to.is_empty() {
            (left, right) = if is_last { (from - STUB, from) } else { (from, from + STUB) };
        }
        let class = match row.kind {
            EdgeKind::Forward => "forward",
            EdgeKind::Failure => "failure",
            EdgeKind::Undoing => "undoing",
        };
        let _ = writeln!(
            svg,
            "<g class=\"row {class}\"><title>{}</title><path d=\"M{left} {y}H{right}\"/>",
            escaped(&sentence(row, names))
        );
        self.label(svg, y, row.event, (left, right), is_last && row.to.is_empty());
        if row.to.is_empty() {
            let end = if is_last { left } else { right };
            let _ = writeln!(svg, "<circle class=\"end\" cx=\"{end}\" cy=\"{y}\" r=\"5\"/>");
        }
        for (to, edge) in &row.to {
            reader(svg, (self.lane(*to), y), from, edge);
        }
        let colour = row.from % COLOURS;
        let _ = writeln!(svg, "<circle class=\"c{colour}\" cx=\"{from}\" cy=\"{y}\" r=\"6\"/></g>");
    }

    /// The name of an event, above its line: from the left, unless it would not end before the edge.
    fn label(
        &self,
        svg: &mut String,
        y: usize,
        event: &str,
        (left, right): (usize, usize),
        at_end: bool,
    ) {
        let too_long = left + GAP + event.chars().count() * LETTER > self.width - GAP;
        let (x, anchor) =
            if at_end || too_long { (right - GAP, "end") } else { (left + GAP, "start") };
        let (y, event) = (y - 12, escaped(event));
        let _ = writeln!(svg, "<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{event}</text>");
    }

    fn legend(&self, svg: &mut String) {
        let y = self.bottom + 30;
        let (bottom, end) = (self.bottom + 4, self.width - 20);
        let _ =
            writeln!(svg, "<path class=\"rule\" d=\"M20 {bottom}H{end}\"/>\n<g class=\"legend\">");
        for (at, text) in ["says", "reacts", "takes note", "ends here"].into_iter().enumerate() {
            let x = 30 + at * (self.width - 40) / 4;
            let mark = match at {
                0 => format!("<circle class=\"says\" cx=\"{x}\" cy=\"{y}\" r=\"6\"/>"),
                1 => format!("<path class=\"reacts\" d=\"{}\"/>", head(x + 6, y, true)),
                2 => format!("<path class=\"notes\" d=\"{}\"/>", head(x + 6, y, true)),
                _ => format!("<circle class=\"end\" cx=\"{x}\" cy=\"{y}\" r=\"5\"/>"),
            };
            let (x, y) = (x + 16, y + 5);
            let _ = writeln!(svg, "{mark}<text x=\"{x}\" y=\"{y}\">{text}</text>");
        }
        svg.push_str("</g>\n");
    }
}

/// An arrowhead where a service reads an event: full where it reacts, hollow where it only takes note;
/// and the time that it may take.
fn reader(svg: &mut String, (x, y): (usize, usize), from: usize, edge: &Edge<'_>) {
    let rightwards = x >= from;
    let class = if edge.leads_to.is_empty() || edge.may_linger { "notes" } else { "reacts" };
    let _ = writeln!(svg, "<path class=\"{class}\" d=\"{}\"/>", head(x, y, rightwards));
    if let Some(within_s) = edge.within_s {
        let (x, anchor) = if rightwards { (x - GAP, "end") } else { (x + GAP, "start") };
        let y = y + 15;
        let _ = writeln!(
            svg,
            "<text class=\"within\" x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">within {within_s} s</text>"
        );
    }
}

fn head(x: usize, y: usize, rightwards: bool) -> String {
    let back = if rightwards { x - 12 } else { x + 12 };
    let tip = if rightwards { x - 1 } else { x + 1 };
    format!("M{back} {}L{tip} {y}L{back} {}Z", y - 6, y + 6)
}

/// What a row shows, for who does not see it.
fn sentence(row: &Row<'_>, names: &[&str]) -> String {
    let from = names[row.from];
    let undoes = row.undoes.map(|it| format!(", which undoes {it}")).unwrap_or_default();
    if row.to.is_empty() {
        return format!("{from} says {}{undoes}; nobody needs to read it.", row.event);
    }
    let reader = |(to, edge): &(usize, &Edge<'_>)| {
        let led = edge.leads_to.join(" or ");
        let does = match (edge.within_s, edge.leads_to.is_empty()) {
            (_, true) => "takes note".to_owned(),
            (Some(within_s), false) => format!("says {led} within {within_s} s"),
            (None, false) => format!("may say {led}"),
        };
        format!("{} {does}", names[*to])
    };
    let readers: Vec<String> = row.to.iter().map(reader).collect();
    format!("{from} says {}{undoes}: {}.", row.event, readers.join(", "))
}

fn description(rows: &[Row<'_>], names: &[&str]) -> String {
    let sentences: Vec<String> = rows.iter().map(|row| sentence(row, names)).collect();
    sentences.join(" ")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use contracts::Declared;
    use declarations::Fleet;

    use super::*;

    fn attribute<'t>(tag: &'t str, name: &str) -> Option<&'t str> {
        tag.split_once(&format!(" {name}=\""))?.1.split('"').next()
    }

    #[test]
    fn every_event_has_a_label_in_a_row_of_its_own() {
        let fleet = Fleet::embedded();
        let graph = Graph::of(fleet.services());
        let svg = graph.svg();
        let mut heights = BTreeSet::new();
        for (_, emitted) in graph.emitted() {
            let label = format!(">{}</text>", emitted.event);
            let line = svg.lines().find(|line| line.ends_with(&label)).unwrap();
            assert!(heights.insert(attribute(line, "y").unwrap()), "{line}");
        }
        assert_eq!(
            svg.matches("class=\"reacts\" d").count() + svg.matches("class=\"notes\" d").count(),
            graph.read().count() + 2,
            "a head for each who reads, and two in the legend"
        );
    }

    #[test]
    fn labels_stay_within_the_picture_at_either_size() {
        let mut services: Vec<Declared> = Fleet::embedded().services().to_vec();
        services[4].service = "a-service-with-a-rather-long-name".to_owned();
        services[4].emits[0].event = "AnEventWithANameThatHardlyAnybodyCouldWantToRead".to_owned();
        for services in [Fleet::embedded().services(), &services, &services[4..], &services[..2]] {
            let svg = Graph::of(services).svg();
            let width: usize =
                attribute(&svg, "viewBox").unwrap().split(' ').nth(2).unwrap().parse().unwrap();
            for line in svg.lines().filter(|it| it.starts_with("<text x=") && it.contains("anchor"))
            {
                let x: usize = attribute(line, "x").unwrap().parse().unwrap();
                let text = line.split('>').nth(1).unwrap().split('<').next().unwrap();
                let long = text.chars().count() * LETTER;
                let fits = match attribute(line, "text-anchor") {
                    Some("start") => x + long <= width,
                    _ => long <= x,
                };
                assert!(fits, "{line} of {width}");
            }
            for name in svg.split("<text class=\"name\"").skip(1) {
                let x: usize = attribute(name, "x").unwrap().parse().unwrap();
                let text = name.split('>').nth(1).unwrap().split('<').next().unwrap();
                let half = text.chars().count() * LETTER / 2;
                assert!(half <= x && x + half <= width, "{text} of {width}");
            }
        }
    }

    #[test]
    fn what_means_something_in_xml_is_text() {
        let mut services: Vec<Declared> = Fleet::embedded().services().to_vec();
        services[0].owner = "<orders> & \"co\"".to_owned();
        let svg = Graph::of(&services).svg();
        assert!(svg.contains("&lt;orders&gt; &amp; &quot;co&quot; answers for it"), "{svg}");
    }

    #[test]
    fn the_same_graph_is_drawn_the_same() {
        let fleet = Fleet::embedded();
        assert_eq!(Graph::of(fleet.services()).svg(), Graph::of(fleet.services()).svg());
        assert!(Graph::of(&[]).svg().ends_with("</svg>\n"));
    }
}

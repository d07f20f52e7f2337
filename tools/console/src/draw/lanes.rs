//! An order's time: a lane for each service, a dot for each event, a line from each cause to its effects,
//! and hollow dots for what may come next.

use std::fmt::Write as _;

use jiff::SignedDuration;

use crate::words::spell;

/// Where the lanes begin: the services' names are left of that.
const LEFT: f64 = 118.0;
const TOP: f64 = 56.0;
/// Where the first moment is.
const FIRST: f64 = LEFT + 18.0;
const LANE: f64 = 50.0;
/// The least distance between two moments, and the most.
const STEP_MIN: f64 = 44.0;
const STEP_MAX: f64 = 130.0;
/// How wide a character of a label is, about.
const CHARACTER: f64 = 7.1;
/// A gap that is so many times the usual one is drawn broken.
const BREAK: i32 = 50;
/// Narrower than this, a picture looks lost on its sheet.
const WIDTH_MIN: f64 = 1_060.0;
/// How far what is short is drawn out in order to fill that.
const STRETCH_MAX: f64 = 2.0;

/// What is drawn.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    /// The services, from the top.
    pub(crate) services: Vec<&'static str>,
    /// In the order of time.
    pub(crate) moments: Vec<Moment>,
    /// Whose move it is.
    pub(crate) awaiting: Vec<Awaiting>,
    /// What they may say.
    pub(crate) expected: Vec<Expected>,
    /// How long after the first moment it is now.
    pub(crate) now: SignedDuration,
}

/// An event.
#[derive(Debug, Clone)]
pub(crate) struct Moment {
    /// The lane.
    pub(crate) service: usize,
    pub(crate) event: String,
    /// After the first one.
    pub(crate) at: SignedDuration,
    /// Which of the moments has caused it.
    pub(crate) cause: Option<usize>,
    /// Which of the moments it undoes.
    pub(crate) undoes: Option<usize>,
}

/// A service whose move it is.
#[derive(Debug, Clone)]
pub(crate) struct Awaiting {
    pub(crate) service: usize,
    /// Such as `asks the carrier, 8 attempts`.
    pub(crate) what: String,
    /// Whether it takes longer than it may.
    pub(crate) late: bool,
}

impl Awaiting {
    /// Where its line ends, after the last moment.
    fn end(&self, last: f64) -> f64 {
        last + 40.0 + width_of(&self.what).max(90.0)
    }
}

/// What a service may say next.
#[derive(Debug, Clone)]
pub(crate) struct Expected {
    pub(crate) service: usize,
    pub(crate) event: String,
}

/// Where a moment is drawn, and whether there is a break before.
struct Place {
    x: f64,
    broken: Option<SignedDuration>,
}

impl Lanes {
    /// The picture.
    pub(crate) fn svg(&self) -> String {
        let mut places = self.places();
        let end = |places: &[Place]| places.last().map_or(LEFT + 20.0, |place| place.x);
        let far = |last: f64, ahead: &[(f64, f64)]| {
            ahead.iter().map(|(x, label)| x + label).fold(last + 130.0, f64::max)
        };
        let unstretched = far(end(&places), &self.ahead(end(&places)));
        let room = (WIDTH_MIN - unstretched).max(0.0);
        let span = (end(&places) - FIRST).max(1.0);
        let stretch = (1.0 + room / span).min(STRETCH_MAX);
        for place in &mut places {
            place.x = FIRST + (place.x - FIRST) * stretch;
        }
        let last = end(&places);
        let ahead = self.ahead(last);
        let far = far(last, &ahead);
        let width = far.max(WIDTH_MIN);
        let height = lane_y(self.services.len().saturating_sub(1)) + 58.0;
        let mut svg = format!(
            "<svg class=\"lanes\" viewBox=\"0 0 {width:.0} {height:.0}\" role=\"group\" \
             aria-label=\"{}\" width=\"{:.0}\">",
            escape(&self.told()),
            width * 0.8
        );
        svg.push_str(
            "<defs><marker id=\"tip\" viewBox=\"0 0 6 6\" refX=\"5.4\" refY=\"3\" markerWidth=\"6\" \
             markerHeight=\"6\" orient=\"auto\"><path d=\"M0 .6 5.4 3 0 5.4\"/></marker></defs>",
        );
        self.draw_lanes(&mut svg, width);
        Self::draw_breaks(&mut svg, &places, height);
        self.draw_causes(&mut svg, &places);
        self.draw_moments(&mut svg, &places, height);
        self.draw_ahead(&mut svg, last, &ahead, height);
        svg.push_str("</svg>");
        svg
    }

    /// What somebody hears who cannot see it.
    fn told(&self) -> String {
        let events: Vec<&str> = self.moments.iter().map(|it| it.event.as_str()).collect();
        let mut told = format!("Timeline: {}", events.join(", then "));
        for awaiting in &self.awaiting {
            let name = self.services[awaiting.service];
            let _ = write!(told, "; it is {name}'s move: {}", awaiting.what);
        }
        told.push_str(". The table of events says the same.");
        told
    }

    /// Later is further right, long gaps are shortened, and no label covers another on its lane.
    fn places(&self) -> Vec<Place> {
        let gap = |pair: &[Moment]| (pair[1].at - pair[0].at).max(SignedDuration::ZERO);
        let mut gaps: Vec<SignedDuration> = self.moments.windows(2).map(gap).collect();
        let sorted = {
            let mut sorted = gaps.clone();
            sorted.sort_unstable();
            sorted
        };
        let usual = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
        let usual = usual.max(SignedDuration::from_millis(1));
        gaps.insert(0, SignedDuration::ZERO);
        let mut ends = vec![f64::MIN; self.services.len()];
        let mut places: Vec<Place> = Vec::new();
        for (moment, gap) in self.moments.iter().zip(gaps) {
            let before = places.last().map_or(FIRST - STEP_MIN, |place| place.x);
            let share = gap.as_secs_f64() / usual.as_secs_f64();
            let step = (STEP_MIN * (0.6 + share.sqrt() * 0.7)).clamp(STEP_MIN, STEP_MAX);
            let broken = (gap > usual * BREAK && gap > SignedDuration::from_secs(2)).then_some(gap);
            let step = if broken.is_some() { STEP_MAX } else { step };
            let x = (before + step).max(ends[moment.service] + 10.0);
            ends[moment.service] = x - 8.0 + width_of(&moment.event);
            places.push(Place { x, broken });
        }
        places
    }

    /// Where what is expected is drawn, and how wide its label is.
    fn ahead(&self, last: f64) -> Vec<(f64, f64)> {
        let mut ends = vec![last + 60.0; self.services.len()];
        for awaiting in &self.awaiting {
            ends[awaiting.service] = awaiting.end(last);
        }
        let place = |expected: &Expected| {
            let (x, label) = (ends[expected.service] + 24.0, width_of(&expected.event));
            ends[expected.service] = x + label;
            (x, label)
        };
        self.expected.iter().map(place).collect()
    }

    fn draw_lanes(&self, svg: &mut String, width: f64) {
        for (lane, service) in self.services.iter().enumerate() {
            let y = lane_y(lane);
            if let Some(awaiting) = self.awaiting.iter().find(|it| it.service == lane) {
                let class = if awaiting.late { "move late" } else { "move" };
                let _ = write!(
                    svg,
                    "<rect class=\"{class}\" x=\"{:.0}\" y=\"{:.0}\" width=\"{:.0}\" height=\"40\" \
                     rx=\"6\"/>",
                    LEFT - 10.0,
                    y - 20.0,
                    width - LEFT + 10.0
                );
            }
            let _ = write!(
                svg,
                "<path class=\"lane\" d=\"M{LEFT:.0} {y:.0}H{width:.0}\"/><text class=\"name {}\" \
                 x=\"0\" y=\"{:.0}\">{}</text>",
                color(service),
                y + 4.0,
                escape(service)
            );
        }
    }

    fn draw_breaks(svg: &mut String, places: &[Place], height: f64) {
        for (at, place) in places.iter().enumerate() {
            let Some(gap) = place.broken else { continue };
            let before = at.checked_sub(1).map_or(LEFT, |before| places[before].x);
            let x = f64::midpoint(before, place.x);
            let _ = write!(
                svg,
                "<path class=\"break\" d=\"M{:.0} {:.0} {:.0} {bottom:.0}M{:.0} {:.0} {:.0} \
                 {bottom:.0}\"/><text class=\"faint\" text-anchor=\"middle\" x=\"{x:.0}\" y=\"{:.0}\">\
                 {}</text>",
                x - 3.0,
                TOP - 10.0,
                x - 7.0,
                x + 5.0,
                TOP - 10.0,
                x + 1.0,
                height - 22.0,
                spell(gap),
                bottom = height - 40.0,
            );
        }
    }

    fn draw_causes(&self, svg: &mut String, places: &[Place]) {
        for (moment, place) in self.moments.iter().zip(places) {
            let links = [(moment.cause, "cause"), (moment.undoes, "undoes")];
            for (other, class) in links {
                let Some(other) = other else { continue };
                let (x0, y0) = (places[other].x, lane_y(self.moments[other].service));
                let (x1, y1) = (place.x, lane_y(moment.service));
                let bend = ((x1 - x0) * 0.45).max(14.0);
                let _ = write!(
                    svg,
                    "<path class=\"{class}\" d=\"M{x0:.0} {y0:.0}C{:.0} {y0:.0} {:.0} {y1:.0} {:.0} \
                     {y1:.0}\"/>",
                    x0 + bend,
                    x1 - bend,
                    x1 - 7.0
                );
            }
        }
    }

    fn draw_moments(&self, svg: &mut String, places: &[Place], height: f64) {
        let mut shown = f64::MIN;
        for (at, (moment, place)) in self.moments.iter().zip(places).enumerate() {
            let (x, y) = (place.x, lane_y(moment.service));
            let after = spell(moment.at);
            let _ = write!(
                svg,
                "<a href=\"#e{at}\"><title>{event}, {after} after the first</title><circle \
                 class=\"dot {}\" cx=\"{x:.0}\" cy=\"{y:.0}\" r=\"6\"/><text x=\"{:.0}\" \
                 y=\"{:.0}\">{event}</text></a>",
                color(self.services[moment.service]),
                x - 8.0,
                y - 14.0,
                event = escape(&moment.event),
            );
            if x - shown >= 52.0 {
                shown = x;
                let _ = write!(
                    svg,
                    "<text class=\"faint\" text-anchor=\"middle\" x=\"{x:.0}\" y=\"{:.0}\">{}</text>",
                    height - 6.0,
                    if at == 0 { "0" } else { &after }
                );
            }
        }
    }

    fn draw_ahead(&self, svg: &mut String, last: f64, ahead: &[(f64, f64)], height: f64) {
        for awaiting in &self.awaiting {
            let y = lane_y(awaiting.service);
            let class = if awaiting.late { "wait late" } else { "wait" };
            let end = awaiting.end(last);
            let _ = write!(
                svg,
                "<path class=\"{class} {}\" d=\"M{:.0} {y:.0}H{end:.0}\"/><text class=\"{class}\" \
                 x=\"{:.0}\" y=\"{:.0}\">{} {}</text>",
                color(self.services[awaiting.service]),
                last + 40.0,
                last + 36.0,
                y - 12.0,
                if awaiting.late { "◐" } else { "○" },
                escape(&awaiting.what)
            );
        }
        for (expected, (x, _)) in self.expected.iter().zip(ahead) {
            let y = lane_y(expected.service);
            let _ = write!(
                svg,
                "<circle class=\"next\" cx=\"{x:.0}\" cy=\"{y:.0}\" r=\"6\"/><text class=\"soft\" \
                 x=\"{:.0}\" y=\"{:.0}\">{}</text>",
                x - 8.0,
                y - 14.0,
                escape(&expected.event)
            );
        }
        if !self.awaiting.is_empty() {
            let late = self.awaiting.iter().any(|awaiting| awaiting.late);
            let class = if late { "wait late" } else { "wait" };
            let _ = write!(
                svg,
                "<text class=\"{class}\" x=\"{:.0}\" y=\"{:.0}\">{}, now</text>",
                last + 40.0,
                height - 6.0,
                spell(self.now)
            );
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "there are few")]
fn lane_y(lane: usize) -> f64 {
    TOP + LANE * lane as f64
}

#[expect(clippy::cast_precision_loss, reason = "labels are short")]
fn width_of(label: &str) -> f64 {
    label.chars().count() as f64 * CHARACTER
}

/// The class of a service's colour.
pub(crate) fn color(service: &str) -> String {
    let at = declarations::fleet().names().position(|name| name == service);
    format!("s{}", at.map_or(0, |at| at % COLORS))
}

/// How many colours there are for services.
const COLORS: usize = 8;

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(service: usize, event: &str, millis: i64, cause: Option<usize>) -> Moment {
        let at = SignedDuration::from_millis(millis);
        Moment { service, event: event.to_owned(), at, cause, undoes: None }
    }

    fn lanes(moments: Vec<Moment>) -> Lanes {
        let services = declarations::fleet().names().collect();
        Lanes { services, moments, ..Lanes::default() }
    }

    #[test]
    fn no_label_covers_another_and_time_goes_right() {
        let moments = (0..40).map(|at| moment(at % 2, "AnEventWithALongName", 0, None)).collect();
        let places = lanes(moments).places();
        for lane in 0..2 {
            let of_lane: Vec<f64> =
                places.iter().skip(lane).step_by(2).map(|place| place.x).collect();
            assert!(of_lane.windows(2).all(|pair| pair[1] - pair[0] >= 20.0 * CHARACTER));
        }
        assert!(places.windows(2).all(|pair| pair[1].x > pair[0].x));
    }

    #[test]
    fn a_long_pause_is_broken_and_says_how_long() {
        let picture = lanes(vec![
            moment(0, "OrderPlaced", 0, None),
            moment(1, "StockReserved", 40, Some(0)),
            moment(2, "PaymentCharged", 90, Some(1)),
            moment(0, "OrderConfirmed", 250_090, Some(2)),
        ]);
        let svg = picture.svg();
        assert_eq!(svg.matches("class=\"break\"").count(), 1);
        assert!(svg.contains(">4 min 10 s</text>"), "{svg}");
    }

    #[test]
    fn what_comes_from_outside_is_text() {
        let svg = lanes(vec![moment(0, "<script>\"&'\u{1}", 0, None)]).svg();
        assert!(!svg.contains("<script>") && svg.contains("&lt;script&gt;&quot;&amp;&#39; "));
    }
}

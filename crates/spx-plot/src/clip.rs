//! Lines cut off at a rectangle (Liang and Barsky 1984).

use crate::canvas::Rect;

/// The parts of a line through `points` that lie inside, each a line of at least two points.
pub(crate) fn line(points: &[[f64; 2]], inside: Rect) -> Vec<Vec<[f64; 2]>> {
    let mut lines: Vec<Vec<[f64; 2]>> = Vec::new();
    for pair in points.windows(2) {
        let Some([from, to]) = segment(pair[0], pair[1], inside) else { continue };
        match lines.last_mut() {
            Some(line) if line.last() == Some(&from) => line.push(to),
            _ => lines.push(vec![from, to]),
        }
    }
    lines
}

/// The part of one segment that lies inside; `None` where there is none or an end is not finite.
pub(crate) fn segment(from: [f64; 2], to: [f64; 2], inside: Rect) -> Option<[[f64; 2]; 2]> {
    if !from.iter().chain(&to).all(|v| v.is_finite()) {
        return None;
    }
    let delta = [to[0] - from[0], to[1] - from[1]];
    let (mut start, mut end) = (0.0_f64, 1.0_f64);
    let sides = [
        (-delta[0], from[0] - inside.left),
        (delta[0], inside.right - from[0]),
        (-delta[1], from[1] - inside.top),
        (delta[1], inside.bottom - from[1]),
    ];
    for (towards, room) in sides {
        if towards == 0.0 && room < 0.0 {
            return None;
        }
        if towards < 0.0 {
            start = start.max(room / towards);
        } else if towards > 0.0 {
            end = end.min(room / towards);
        }
    }
    let at = |t: f64| [from[0] + t * delta[0], from[1] + t * delta[1]];
    // The ends that lie inside are kept to the bit, so that pieces join.
    let first = if start == 0.0 { from } else { at(start) };
    let last = if end == 1.0 { to } else { at(end) };
    (start <= end).then_some([first, last])
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOX: Rect = Rect { left: 0.0, top: 0.0, right: 10.0, bottom: 10.0 };

    #[test]
    fn cuts_at_the_edges() {
        assert_eq!(segment([-5.0, 5.0], [15.0, 5.0], BOX), Some([[0.0, 5.0], [10.0, 5.0]]));
        assert_eq!(segment([2.0, 3.0], [4.0, 5.0], BOX), Some([[2.0, 3.0], [4.0, 5.0]]));
        assert_eq!(segment([-5.0, 11.0], [15.0, 11.0], BOX), None);
        assert_eq!(segment([-5.0, 4.0], [4.0, -5.0], BOX), None);
        assert_eq!(segment([f64::NAN, 4.0], [4.0, 5.0], BOX), None);
    }

    #[test]
    fn a_line_that_leaves_and_returns_is_two() {
        let points = [[1.0, 1.0], [5.0, 1.0], [5.0, 20.0], [8.0, 20.0], [8.0, 5.0]];
        let lines = line(&points, BOX);
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0], [[1.0, 1.0], [5.0, 1.0], [5.0, 10.0]]);
        assert_eq!(lines[1], [[8.0, 10.0], [8.0, 5.0]]);
    }

    #[test]
    fn a_gap_breaks_the_line() {
        let points = [[1.0, 1.0], [2.0, 1.0], [f64::NAN, 1.0], [3.0, 1.0], [4.0, 1.0]];
        assert_eq!(line(&points, BOX).len(), 2);
    }
}

//! What the primary cards of cubes of several detectors add up to.

use std::collections::BTreeSet;

use spx_core::header::{Card, CardValue, Header};

use super::arrays::COMPRESSION;
use super::error::CubeFileProblem;
use super::history::{add_history, history_lines};

/// How a card of a file of several cubes follows from theirs.
enum CardRule {
    Sum,
    Least,
    Most,
    /// Lists of words, joined.
    Words,
    /// T where one is T.
    Any,
    /// Not written.
    None,
    /// All must agree.
    Equal,
}

fn rule(keyword: &str) -> CardRule {
    match keyword {
        "N_INPUTS" | "N_REJECT" | "N_SATUR" | "NZ" | "N_QR2" | "N_QR3" | "N_DR1" => CardRule::Sum,
        "MJD-BEG" | "LAM_MIN" => CardRule::Least,
        "MJD-END" | "LAM_MAX" | "EXPTIME" | "MEASTIME" | "POINTNGS" | "N_FAILED" => CardRule::Most,
        "RELEASES" | "VERSIONS" | "FLUXCORR" | "WAVESRC" => CardRule::Words,
        "MIXSCALE" => CardRule::Any,
        "DETECTOR" | "BAND_NM" | COMPRESSION | "CHECKSUM" | "DATASUM" => CardRule::None,
        _ => CardRule::Equal,
    }
}

/// The primary cards of one file of several cubes, with the union of their histories.
pub(super) fn joined_cards(cubes: &[&Header]) -> Result<Header, CubeFileProblem> {
    let mut joined = Header::new();
    for card in cubes.iter().flat_map(|cube| cube.cards()).filter(|card| card.value.is_some()) {
        if joined.get(&card.keyword).is_none()
            && let Some(value) = joined_value(cubes, &card.keyword)?
        {
            joined.push(Card { value: Some(value), ..card.clone() });
        }
    }
    let mut known = BTreeSet::new();
    let lines = cubes.iter().flat_map(|cube| history_lines(cube)).filter(|line| known.insert(line.clone()));
    let mut lines: Vec<String> = lines.collect();
    // Of an observation six detectors are one pointing.
    lines.sort_by_key(|line| !line.starts_with("group "));
    let groups = lines.iter().filter(|line| line.starts_with("group ")).count();
    let failed = lines.iter().filter(|line| line.starts_with("input ") && line.contains(": failed")).count();
    for (keyword, count, comment) in
        [("POINTNGS", groups, "pointings"), ("N_FAILED", failed, "input images that could not be read")]
    {
        if joined.get(keyword).is_some() {
            joined.set(keyword, i64::try_from(count).unwrap_or(i64::MAX), comment);
        }
    }
    for keyword in ["EXPTIME", "MEASTIME"] {
        if let Some(value) = joined.get(keyword).cloned() {
            joined.set(keyword, value, "[s] of the detector with the longest");
        }
    }
    add_history(&mut joined, &lines);
    Ok(joined)
}

fn joined_value(cubes: &[&Header], keyword: &str) -> Result<Option<CardValue>, CubeFileProblem> {
    let there = || cubes.iter().filter_map(|cube| cube.get(keyword));
    let reals = || cubes.iter().filter_map(|cube| cube.optional_real(keyword).ok().flatten());
    let first = there().next().cloned();
    Ok(match rule(keyword) {
        CardRule::None => None,
        CardRule::Sum => {
            let integers = cubes.iter().filter_map(|cube| cube.optional_integer(keyword).ok().flatten());
            Some(integers.fold(0_i64, i64::saturating_add).into())
        }
        CardRule::Least => reals().reduce(f64::min).map(CardValue::Real),
        CardRule::Most => reals().reduce(f64::max).map(CardValue::Real),
        CardRule::Any => Some(there().any(|value| *value == CardValue::Logical(true)).into()),
        CardRule::Words => {
            let texts = cubes.iter().filter_map(|cube| cube.optional_text(keyword).ok().flatten());
            let words: BTreeSet<&str> =
                texts.flat_map(|text| text.split(',')).filter(|w| !w.is_empty()).collect();
            Some(words.into_iter().collect::<Vec<_>>().join(",").into())
        }
        CardRule::Equal => {
            let unlike = cubes.iter().find(|cube| cube.get(keyword) != first.as_ref());
            if let Some(cube) = unlike {
                let named = |value: Option<&CardValue>| value.map_or("nothing".to_owned(), |v| v.to_string());
                let (one, other) = (named(first.as_ref()), named(cube.get(keyword)));
                return Err(CubeFileProblem::Unlike(format!(
                    "card {keyword} is {one} in one and {other} in another"
                )));
            }
            first
        }
    })
}

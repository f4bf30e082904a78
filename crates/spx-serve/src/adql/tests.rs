//! Queries against two small tables.

use super::*;
use crate::sphere::Polygon;
use crate::table::{Kind, Value, column};

/// Planes 1 to 4, squares of one degree at right ascensions 10, 20, 30 and 359.8; the fourth has no
/// quality.
fn tables() -> Vec<Table> {
    let square = |ra: f64| {
        let corners = [[ra - 0.5, -0.5], [ra + 0.5, -0.5], [ra + 0.5, 0.5], [ra - 0.5, 0.5]];
        Value::polygon(&Polygon::new(&corners).unwrap())
    };
    let plane = |id: i64, ra, time: f64, quality: Option<&str>| {
        vec![id.into(), square(ra), time.into(), quality.map(Value::text).into()]
    };
    let columns = vec![
        column("planeid", Kind::Long, "", ""),
        column("poly", Kind::Polygon, "", ""),
        column("time", Kind::Double, "d", ""),
        column("quality", Kind::Text, "", ""),
    ];
    let rows = vec![
        plane(1, 10.0, 3.0, Some("Pass")),
        plane(2, 20.0, 1.0, Some("pass_")),
        plane(3, 30.0, 2.0, Some("it's")),
        plane(4, 359.8, 4.0, None),
    ];
    let files = vec![column("planeid", Kind::Long, "", ""), column("uri", Kind::Text, "", "")];
    let uris = [(1, "a1"), (1, "a2"), (3, "c"), (9, "none")];
    vec![
        Table { name: "spherex.plane".into(), description: "", columns, rows },
        Table {
            name: "spherex.artifact".into(),
            description: "",
            columns: files,
            rows: uris.map(|(id, uri)| vec![Value::Integer(id), uri.into()]).to_vec(),
        },
    ]
}

/// The first column of the answer as text, with blanks between.
fn ask(text: &str) -> String {
    let answer = query(&tables(), text, 1000).unwrap_or_else(|e| panic!("{text}: {e}"));
    let cell = |value: &Value| match value {
        Value::Null => "null".into(),
        Value::Integer(v) => v.to_string(),
        Value::Real(v) => v.to_string(),
        Value::Text(v) => v.to_string(),
        Value::Region(_) => "region".into(),
    };
    answer.rows.iter().map(|row| cell(&row[0])).collect::<Vec<_>>().join(" ")
}

fn planes(condition: &str) -> String {
    ask(&format!("SELECT planeid FROM spherex.plane p WHERE {condition}"))
}

fn error(text: &str) -> String {
    query(&tables(), text, 1000).expect_err(text).to_string()
}

#[test]
fn joins_and_aliases() {
    let join = "FROM spherex.artifact a JOIN spherex.plane p ON a.planeid = p.planeid";
    assert_eq!(ask(&format!("SELECT a.uri, p.time AS t {join} ORDER BY t, uri DESC")), "c a2 a1");
    assert_eq!(ask(&format!("select A.URI {join} where P.TIME > 2.5 order by 1")), "a1 a2");
    assert_eq!(ask("SELECT uri FROM spherex.plane INNER JOIN spherex.artifact USING (planeid)"), "a1 a2 c");
    let cross = "SELECT b.uri FROM spherex.plane a, spherex.artifact AS b WHERE a.planeid = b.planeid";
    assert_eq!(ask(cross), "a1 a2 c");
    assert_eq!(ask("SELECT spherex.plane.planeid FROM spherex.plane"), "1 2 3 4");
    assert_eq!(ask("SELECT plane.\"planeid\" FROM spherex.plane; "), "1 2 3 4");
    assert_eq!(ask("SELECT planeid -- and no more\nFROM caom.plane"), "1 2 3 4");
}

#[test]
fn stars_counts_and_limits() {
    let answer = query(&tables(), "SELECT p.*, a.uri FROM spherex.artifact a, spherex.plane p", 5).unwrap();
    assert_eq!((answer.columns.len(), answer.rows.len(), answer.overflow), (5, 5, true));
    assert_eq!(ask("SELECT COUNT(*) FROM spherex.plane"), "4");
    assert_eq!(ask("SELECT COUNT(quality) AS n FROM spherex.plane"), "3");
    assert_eq!(ask("SELECT MAX(time) FROM spherex.plane WHERE time < 4"), "3");
    assert_eq!(ask("SELECT COUNT(*) FROM spherex.plane WHERE 1 = 0"), "0");
    assert_eq!(ask("SELECT TOP 2 planeid FROM spherex.plane ORDER BY time DESC"), "4 1");
    assert_eq!(ask("SELECT DISTINCT planeid FROM spherex.artifact"), "1 3 9");
    let answer = query(&tables(), "SELECT TOP 2 planeid FROM spherex.plane", 2).unwrap();
    assert!(!answer.overflow, "TOP is no overflow");
}

#[test]
fn conditions() {
    assert_eq!(planes("time BETWEEN 2 AND 3"), "1 3");
    assert_eq!(planes("NOT time BETWEEN 2 AND 3 AND planeid IN (1, 2)"), "2");
    assert_eq!(planes("time NOT BETWEEN 2 AND 3 OR (planeid = 3 AND (1=1))"), "2 3 4");
    assert_eq!(planes("planeid <> 1 AND planeid != 2 AND time <= 2.0"), "3");
    assert_eq!(planes("quality = 'Pass'"), "1");
    assert_eq!(planes("quality = 'it''s'"), "3");
    assert_eq!(planes("quality LIKE 'P%'"), "1");
    assert_eq!(planes("quality LIKE '%ss_'"), "2");
    assert_eq!(planes("quality ILIKE 'pass'"), "1");
    assert_eq!(planes("LOWER(quality) = 'pass'"), "1");
    assert_eq!(planes("quality NOT IN ('Pass', 'it''s')"), "2", "null is neither in nor out");
    assert_eq!(planes("quality IS NULL"), "4");
    assert_eq!(planes("NOT (quality IS NOT NULL OR time < -1e3)"), "4");
    assert_eq!(planes("(time) > 3.5"), "4");
    assert_eq!(planes("((time > 3.5))"), "4");
    assert_eq!(ask("SELECT quality FROM spherex.plane ORDER BY quality"), "Pass it's pass_ null");
}

#[test]
fn regions() {
    assert_eq!(planes("CONTAINS(POINT('ICRS', 20.1, 0.2), p.poly) = 1"), "2");
    assert_eq!(planes("1 = CONTAINS(POINT(0.2, -0.4), poly)"), "4");
    assert_eq!(planes("CONTAINS(POINT('ICRS', 20.1, 0.2), p.poly) = 0"), "1 3 4");
    assert_eq!(planes("INTERSECTS(p.poly, CIRCLE('ICRS', 11, 0, 0.51)) = 1"), "1");
    assert_eq!(planes("INTERSECTS(CIRCLE('ICRS', 11, 0, 0.49), p.poly) = 1"), "");
    assert_eq!(planes("CONTAINS(CIRCLE('ICRS', 30, 0, 0.4), p.poly) = 1"), "3");
    assert_eq!(planes("CONTAINS(CIRCLE(POINT(30, 0), 0.6), p.poly) = 1"), "");
    assert_eq!(planes("INTERSECTS(p.poly, POLYGON('ICRS', 9, -1, 20, 0, 9, 1)) = 1"), "1 2");
    assert_eq!(planes("CONTAINS(p.poly, CIRCLE('', 15, 0, 6)) = 1"), "1 2");
    assert_eq!(planes("DISTANCE(POINT(10, 0), POINT(10, 1)) > 0.999"), "1 2 3 4");
}

#[test]
fn errors_say_what_is_wrong() {
    for (text, part) in [
        ("", "the query ends where SELECT is expected"),
        ("SELECT nonsense FROM spherex.plane", "no column nonsense in spherex.plane"),
        ("SELECT x.planeid FROM spherex.plane p", "no table x in FROM"),
        (
            "SELECT * FROM spherex.planes",
            "no table spherex.planes; there are spherex.plane, spherex.artifact",
        ),
        ("SELECT * FROM plane", "no table plane"),
        ("SELECT planeid FROM spherex.plane, spherex.artifact", "in several tables"),
        ("SELECT * FROM spherex.plane, spherex.plane", "appears twice"),
        ("SELECT * FROM spherex.plane WHERE", "the query ends where a value is expected"),
        ("SELECT * FROM spherex.plane WHERE time", "a comparison is expected"),
        ("SELECT * FROM spherex.plane WHERE (time)", "a comparison is expected"),
        ("SELECT * FROM spherex.plane WHERE CONTAINS(POINT(1, 2), poly)", "a comparison is expected"),
        ("SELECT * FROM spherex.plane WHERE time = 'x'", "a text cannot be compared with a number"),
        ("SELECT * FROM spherex.plane WHERE poly = poly", "compared by CONTAINS"),
        ("SELECT * FROM spherex.plane WHERE time = 1 + 2", "arithmetic"),
        ("SELECT * FROM spherex.plane WHERE quality = 'open", "never closed"),
        ("SELECT * FROM spherex.plane LIMIT 5", "where the end of the query is expected"),
        ("SELECT * FROM spherex.plane ORDER BY 9", "there are 4 columns"),
        ("SELECT quality, COUNT(*) FROM spherex.plane", "GROUP BY"),
        ("SELECT * FROM spherex.plane GROUP BY time", "GROUP is not supported"),
        ("SELECT * FROM spherex.plane LEFT JOIN spherex.artifact ON 1=1", "LEFT JOIN is not supported"),
        ("SELECT * FROM (SELECT 1)", "subqueries are not supported"),
        ("SELECT * FROM spherex.plane WHERE CONTAINS(POINT('FK5', 1, 2), poly) = 1", "FK5"),
        ("SELECT * FROM spherex.plane WHERE CONTAINS(POINT(1, 95), poly) = 1", "95 is outside"),
        ("SELECT * FROM spherex.plane WHERE CONTAINS(1, poly) = 1", "two regions"),
        ("SELECT * FROM spherex.plane WHERE BOX(1, 2, 3, 4) = 1", "BOX is not supported"),
        ("SELECT * FROM spherex.plane WHERE time ? 1", "unexpected character `?` at position"),
        ("SELECT 1e FROM spherex.plane", "is not a number"),
    ] {
        let message = error(text);
        assert!(message.contains(part), "{text}: {message}");
    }
}

#[test]
fn depth_is_limited() {
    let deep = |open: &str, close: &str| {
        let n = 5000;
        format!("SELECT * FROM spherex.plane WHERE {}time > 1{}", open.repeat(n), close.repeat(n))
    };
    assert!(error(&deep("(", ")")).contains("too deeply"));
    assert!(error(&deep("NOT ", "")).contains("too deeply"));
    assert!(error(&format!("SELECT {} FROM spherex.plane", "LOWER(".repeat(5000))).contains("too deeply"));
}

#[test]
fn long_conditions_are_answered() {
    let long = |word: &str, term: &str| vec![term; 20_000].join(word);
    assert_eq!(planes(&long(" AND ", "planeid < 3")), "1 2");
    assert_eq!(planes(&long(" OR ", "planeid > 3")), "4");
}

#[test]
fn joins_without_a_condition_are_bounded() {
    let many = (0..10_000_i64).map(|k| vec![k.into(), Value::Null]).collect();
    let columns = vec![column("a", Kind::Long, "", ""), column("b", Kind::Long, "", "")];
    let table = Table { name: "spherex.many".into(), description: "", columns, rows: many };
    let ask = |text: &str| query(std::slice::from_ref(&table), text, 10).map(|answer| answer.rows.len());
    for text in [
        "SELECT x.a FROM spherex.many x, spherex.many y",
        "SELECT x.a FROM spherex.many x JOIN spherex.many y ON x.a < y.a",
    ] {
        assert!(ask(text).unwrap_err().to_string().contains("pairs of rows"), "{text}");
    }
    assert_eq!(ask("SELECT x.a FROM spherex.many x JOIN spherex.many y ON x.a = y.a"), Ok(10));
    assert_eq!(ask("SELECT DISTINCT b FROM spherex.many"), Ok(1));
}

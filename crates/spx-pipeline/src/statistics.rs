//! Statistics of pixels.

/// The median of the finite values, the mean of the middle two where their number is even; `None`
/// where there are none. `values` is left in another order and without those that are not finite.
pub fn median(values: &mut Vec<f32>) -> Option<f64> {
    values.retain(|v| v.is_finite());
    let middle = values.len() / 2;
    if values.is_empty() {
        return None;
    }
    let even = values.len().is_multiple_of(2);
    let (below, &mut upper, _) = values.select_nth_unstable_by(middle, f32::total_cmp);
    let lower = below.iter().copied().max_by(f32::total_cmp).filter(|_| even).unwrap_or(upper);
    Some(f64::midpoint(lower.into(), upper.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(&mut vec![3.0, f32::NAN, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&mut vec![4.0, 1.0, f32::INFINITY, 2.0, 1.0]), Some(1.5));
        assert_eq!(median(&mut vec![f32::NAN]), None);
        assert_eq!(median(&mut Vec::new()), None);
    }
}

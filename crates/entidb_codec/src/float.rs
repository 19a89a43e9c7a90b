//! Floats and their shortest exact widths.
//!
//! Always: narrowing succeeds only when widening gives the same number back.
//! Does not know: where floats stand in a document.
//! Format: docs/spec/encoding.md, "Floats".

/// The only NaN that is written: the quiet one of half width.
pub(crate) const NAN_16: u16 = 0x7e00;

/// The number a half-width float stands for.
pub(crate) fn f16_to_f32(bits: u16) -> f32 {
    let sign = u32::from(bits & 0x8000) << 16;
    let exponent = u32::from(bits >> 10) & 0x1f;
    let mantissa = u32::from(bits & 0x3ff);
    match exponent {
        0 => {
            // Subnormals count in steps of 2^-24, which single width holds exactly.
            let magnitude = f32::from(bits & 0x3ff) * (1.0 / 16_777_216.0);
            f32::from_bits(sign | magnitude.to_bits())
        }
        0x1f => f32::from_bits(sign | 0x7f80_0000 | (mantissa << 13)),
        _ => f32::from_bits(sign | ((exponent + 112) << 23) | (mantissa << 13)),
    }
}

/// The half-width form of a number that is not NaN, if there is an exact one.
pub(crate) fn f32_to_f16_exact(value: f32) -> Option<u16> {
    let bits = value.to_bits();
    // Shifted and masked to the top bit of 16.
    let sign = ((bits >> 16) & 0x8000) as u16;
    let exponent = (bits >> 23) & 0xff;
    let mantissa = bits & 0x007f_ffff;
    let magnitude = match exponent {
        0 if mantissa == 0 => 0,
        0xff if mantissa == 0 => 0x7c00,
        // 2^-14 to 2^15: a normal half, if the low 13 bits are free.
        113..=142 if mantissa & 0x1fff == 0 => ((exponent - 112) << 10) | (mantissa >> 13),
        // 2^-24 to 2^-15: a subnormal half, if what is shifted out is zero.
        103..=112 => {
            let full = mantissa | 0x0080_0000;
            let shift = 126 - exponent;
            if full & ((1 << shift) - 1) != 0 {
                return None;
            }
            full >> shift
        }
        _ => return None,
    };
    u16::try_from(magnitude).ok().map(|magnitude| sign | magnitude)
}

/// The single-width form of a number that is not NaN, if there is an exact one.
pub(crate) fn f64_to_f32_exact(value: f64) -> Option<f32> {
    // Compared with the original below.
    let narrow = value as f32;
    (f64::from(narrow).to_bits() == value.to_bits()).then_some(narrow)
}

/// The half-width float nearest to a number, ties to even; overflow gives infinity.
pub(crate) fn f32_to_f16_nearest(value: f32) -> u16 {
    if value.is_nan() {
        return NAN_16;
    }
    if let Some(exact) = f32_to_f16_exact(value) {
        return exact;
    }
    let sign = if value.is_sign_negative() { 0x8000 } else { 0 };
    // Halves of one sign are ordered as their bits, so the neighbours are found by bisection.
    let magnitude = f64::from(value.abs());
    let (mut low, mut high) = (0_u16, 0x7c00_u16);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if f64::from(f16_to_f32(middle)) <= magnitude { low = middle } else { high = middle }
    }
    let below = f64::from(f16_to_f32(low));
    // Past the largest half the next step would be 2^16.
    let above = if high == 0x7c00 { 65_536.0 } else { f64::from(f16_to_f32(high)) };
    let nearest = match (magnitude - below).total_cmp(&(above - magnitude)) {
        std::cmp::Ordering::Less => low,
        std::cmp::Ordering::Greater => high,
        std::cmp::Ordering::Equal => low + (low & 1),
    };
    sign | nearest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_survives_the_way_through_single_width() {
        for bits in 0..=u16::MAX {
            let wide = f16_to_f32(bits);
            if wide.is_nan() {
                continue;
            }
            assert_eq!(f32_to_f16_exact(wide), Some(bits), "{bits:04x}");
            assert_eq!(f32_to_f16_nearest(wide), bits, "{bits:04x}");
        }
    }

    #[test]
    fn a_float_between_two_halves_is_not_a_half() {
        assert_eq!(f32_to_f16_exact(65_505.0), None);
        assert_eq!(f32_to_f16_exact(1.0 + f32::EPSILON), None);
        assert_eq!(f32_to_f16_exact(f32::from_bits(0x3280_0000)), None);
        assert_eq!(f32_to_f16_nearest(65_519.0), 0x7bff);
        assert_eq!(f32_to_f16_nearest(65_520.0), 0x7c00);
        assert_eq!(f32_to_f16_nearest(-1e9), 0xfc00);
        assert_eq!(f32_to_f16_nearest(1e-9), 0);
    }
}

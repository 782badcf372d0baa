"""Transcendental functions as straight-line arithmetic that LLVM keeps in vector registers.

Range reduction and then a polynomial or a ratio of two, in the style of W. J. Cody and W. Waite,
*Software Manual for the Elementary Functions* (1980). The coefficients are minimax fits of
relative error (Lawson's reweighted least squares; for ratios with the Sanathanan-Koerner
iteration). Each function takes its builder and its argument's expression.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from tvm import tirx

from costmodel.backends.tvm.lanes import Expr, Lanes, bits_of

__all__ = [
    "acos",
    "asin",
    "atan",
    "cos",
    "erf",
    "erfc",
    "exp",
    "exp2",
    "exp10",
    "log",
    "log1p",
    "pow",
    "rsqrt",
    "sigmoid",
    "sin",
    "tanh",
]

# (exp(r) - 1 - r) / r**2 for |r| <= ln(2)/2
_EXP32 = (
    0.5000000095121951, 0.16666518896664076, 0.041666206013891434, 0.008368882433887694,
    0.0013950476819054182,
)  # fmt: skip
_EXP64 = (
    0.5000000000000034, 0.1666666666666312, 0.0416666666663621, 0.00833333333492125,
    0.0013888888981054514, 0.0001984126719934979, 2.4801459749650112e-05, 2.755923356038028e-06,
    2.7640672382630896e-07, 2.456509640130697e-08,
)  # fmt: skip

# (log(1 + f) - f + f**2 / 2) / f**3 for 1/sqrt(2) <= 1 + f <= sqrt(2)
_LOG32 = (
    0.33333316727463985, -0.2500081042804974, 0.20002286084073528, -0.1662455314435814,
    0.14181196113503824, -0.13128767632756871, 0.1288162239609854, -0.07859545867719321,
)  # fmt: skip
# (2 artanh(s) - 2 s) / s**3 in s**2, for s = f / (2 + f) and f as above
_LOG64 = (
    0.6666666666666787, 0.3999999999900145, 0.28571428836854734, 0.22222188926768954,
    0.18184056026088, 0.15301796483668803, 0.14915080840949047,
)  # fmt: skip

# tanh(x) / x in x**2 for |x| <= 9.01, beyond which f32 rounds to one
_TANH_OVER = (
    0.9999999792291455, 0.13380369344150983, 0.0034948084352352405, 2.0596232978997308e-05,
    1.3336795250867662e-08,
)  # fmt: skip
_TANH_UNDER = (
    1.0, 0.4671368475852206, 0.025874016652725176, 0.0003284359043070184, 7.769260555348144e-07,
)  # fmt: skip
_TANH_LIMIT = 9.01

# erf(x) / x in x**2 for |x| <= 3.93, beyond which f32 rounds to one
_ERF_OVER = (
    1.1283791453540668, 0.19078361244275657, 0.052790257939060815, 0.003779600310885711,
    0.0002848084823761748, 2.0419733754299876e-06,
)  # fmt: skip
_ERF_UNDER = (
    1.0, 0.5024102938281861, 0.11425743290214509, 0.014997419137742682, 0.0011652107210729963,
    3.8004095755767456e-05,
)  # fmt: skip
_ERF_LIMIT = 3.93

# log(erfc(x) / t) + x**2 in t = 1 / (1 + 0.4 x) for 0 <= x <= 10.2, beyond which f32 rounds to
# zero; the form is that of W. H. Press et al., *Numerical Recipes* (2007), section 6.2.2
_ERFC = (
    -1.4885835747359653, 0.9980801080339808, 0.4425387327070989, 0.019488643779016872,
    0.7033827035539713, -2.070156737120908, 4.023016899898303, -5.71115173140119,
    5.038607062225922, -2.5756264954604218, 0.6961277931111141, -0.07572340301166941,
)  # fmt: skip
_ERFC_SLOPE, _ERFC_LIMIT = 0.4, 10.2

# (sin(r) - r) / r**3 and (cos(r) - 1 + r**2 / 2) / r**4 in r**2, for |r| <= pi/4
_SIN32 = (-0.16666654908430112, 0.008332175836993036, -0.00019516976468890554)
_COS32 = (0.04166664680673975, -0.0013887364466900467, 2.4438089108655197e-05)

# pi/2 and ln(2) and log10(2) in two parts, the first with trailing zeros, so that its product with
# an integer is exact
_HALF_PI = (1.57079632673412561417e00, 6.07710050650619224932e-11)
_LN2 = {"float32": (0.693359375, -2.12194440054690583e-4),
        "float64": (6.93147180369123816490e-01, 1.90821492927058770002e-10)}  # fmt: skip
_LG2 = {"float32": (0.30078125, 2.4874566398119521e-4),
        "float64": (0.301029995663157, 8.241712586023572e-13)}  # fmt: skip

# atan(x) / x in x**2 for |x| <= 1
_ATAN_OVER = (0.9999999991208369, 1.1290528021577775, 0.2861510213276318, 0.008895927070502269)
_ATAN_UNDER = (1.0, 1.4623860140111113, 0.5736157301637121, 0.05045791478304426)

# (asin(x) - x) / x**3 in x**2 for |x| <= 1/2
_ASIN32 = (
    0.16666754131552475, 0.07495232672127489, 0.04547834174593201, 0.02414099790806375,
    0.04223053000185072,
)  # fmt: skip


def exp(b: Lanes, x: Expr) -> Expr:
    """The exponential."""
    layout = b.format
    x = b.let(b.clamp(x, layout.bottom * math.log(2), layout.top * math.log(2)))
    whole, low_bits = b.round(b.mul(x, math.log2(math.e)))
    return b.scale(_exp_reduced(b, b.reduce(x, whole, _LN2[b.dtype])), low_bits)


def _exp_reduced(b: Lanes, r: Expr) -> Expr:
    """``exp(r)`` for ``|r| <= ln(2)/2``."""
    tail = b.polynomial(r, _EXP32 if b.dtype == "float32" else _EXP64)
    return b.add(b.add(b.mul(b.mul(r, r), tail), r), 1.0)


def exp2(b: Lanes, x: Expr) -> Expr:
    """Two to the power of x."""
    x = b.let(b.clamp(x, b.format.bottom, b.format.top))
    whole, low_bits = b.round(x)
    r = b.let(b.mul(b.sub(x, whole), math.log(2)))
    return b.scale(_exp_reduced(b, r), low_bits)


def exp10(b: Lanes, x: Expr) -> Expr:
    """Ten to the power of x."""
    layout = b.format
    x = b.let(b.clamp(x, layout.bottom * math.log10(2), layout.top * math.log10(2)))
    whole, low_bits = b.round(b.mul(x, math.log2(10)))
    r = b.let(b.mul(b.reduce(x, whole, _LG2[b.dtype]), math.log(10)))
    return b.scale(_exp_reduced(b, r), low_bits)


def log(b: Lanes, x: Expr) -> Expr:
    """The natural logarithm."""
    layout = b.format
    x = b.let(x)
    small = tirx.LT(x, b.const(layout.tiny))  # not bound: TVM's analyzer rejects vectors of bool
    lift = float(layout.mantissa + 1)
    normal = b.let(b.as_integer(b.select(small, b.mul(x, 2.0**lift), x)))
    root = b.bits(bits_of(math.sqrt(0.5), b.dtype))
    shift = b.bits(layout.mantissa)
    exponent = b.let(tirx.shift_right(tirx.Sub(normal, root), shift))
    f = b.let(b.sub(b.as_float(tirx.Sub(normal, tirx.shift_left(exponent, shift))), 1.0))
    e = b.let(b.sub(b.cast(exponent, b.dtype), b.select(small, b.const(lift), b.const(0.0))))
    value = (_log32 if b.dtype == "float32" else _log64)(b, f, e)
    infinity = b.const(math.inf)
    value = b.select(tirx.LT(x, infinity), value, x)  # infinity and NaN are their own logarithms
    value = b.select(tirx.LT(x, b.const(0.0)), b.const(math.nan), value)
    return b.select(tirx.EQ(x, b.const(0.0)), b.const(-math.inf), value)


def _log32(b: Lanes, f: Expr, e: Expr) -> Expr:
    high, low = _LN2["float32"]
    square = b.let(b.mul(f, f))
    tail = b.mul(b.mul(square, f), b.polynomial(f, _LOG32))
    tail = b.add(tail, b.mul(e, low))
    return b.add(b.add(f, b.sub(tail, b.mul(square, 0.5))), b.mul(e, high))


def _log64(b: Lanes, f: Expr, e: Expr) -> Expr:
    high, low = _LN2["float64"]
    s = b.let(tirx.Div(f, b.add(f, 2.0)))
    z = b.let(b.mul(s, s))
    half_square = b.let(b.mul(b.mul(f, f), 0.5))
    # log(1 + f) = f - f**2/2 + s (f**2/2 + z R(z)): the large terms are exact
    rest = b.mul(s, b.add(half_square, b.mul(z, b.polynomial(z, _LOG64))))
    return b.add(b.sub(f, b.sub(half_square, b.add(rest, b.mul(e, low)))), b.mul(e, high))


def log1p(b: Lanes, x: Expr) -> Expr:
    """``log(1 + x)`` without loss near zero."""
    x = b.let(x)
    u = b.let(b.add(x, 1.0))
    lost = tirx.Div(b.sub(x, b.sub(u, 1.0)), u)  # what rounding 1 + x lost, to first order
    regular = tirx.And(tirx.GT(u, b.const(0.0)), tirx.LT(u, b.const(math.inf)))
    return b.add(log(b, u), b.select(regular, lost, b.const(0.0)))


def _ratio(b: Lanes, x: Expr, over: Sequence[float], under: Sequence[float], limit: float) -> Expr:
    """An odd function that has reached one at ``limit``."""
    x = b.let(b.clamp(x, -limit, limit))
    square = b.let(b.mul(x, x))
    value = tirx.Div(b.mul(x, b.polynomial(square, over)), b.polynomial(square, under))
    return b.clamp(value, -1.0, 1.0)


def tanh(b: Lanes, x: Expr) -> Expr:
    """The hyperbolic tangent, f32."""
    return _ratio(b, x, _TANH_OVER, _TANH_UNDER, _TANH_LIMIT)


def erf(b: Lanes, x: Expr) -> Expr:
    """The error function, f32."""
    return _ratio(b, x, _ERF_OVER, _ERF_UNDER, _ERF_LIMIT)


def erfc(b: Lanes, x: Expr) -> Expr:
    """``1 - erf(x)`` without its cancellation, f32; in f64, since the square's error is raised."""
    wide = b.wide()
    x = wide.let(b.cast(x, "float64"))
    size = wide.let(wide.clamp(tirx.abs(x), 0.0, _ERFC_LIMIT))
    t = wide.let(tirx.Div(wide.const(1.0), wide.add(wide.mul(size, _ERFC_SLOPE), 1.0)))
    exponent = wide.sub(wide.polynomial(t, _ERFC), wide.mul(size, size))
    value = wide.let(wide.mul(exp(wide, exponent), t))
    mirrored = wide.sub(wide.const(2.0), value)
    value = wide.select(tirx.LT(x, wide.const(0.0)), mirrored, value)
    return b.cast(value, "float32")


def sigmoid(b: Lanes, x: Expr) -> Expr:
    """The logistic function."""
    return tirx.Div(b.const(1.0), b.add(exp(b, b.mul(x, -1.0)), 1.0))


def _sine(b: Lanes, x: Expr, quarter_turns: int) -> Expr:
    """``sin(x + quarter_turns * pi/2)``; the angle is reduced in f64, so that no digit is lost."""
    wide = b.wide()
    angle = wide.let(wide.clamp(b.cast(x, "float64"), -(2.0**48), 2.0**48))
    whole, low_bits = wide.round(wide.mul(angle, 2 / math.pi))
    reduced = wide.reduce(angle, whole, _HALF_PI)
    r = wide.let(b.clamp(b.cast(reduced, "float32"), -0.7854, 0.7854))
    quadrant = wide.let(tirx.Add(b.cast(low_bits, "int32"), b.bits(quarter_turns)))
    z = wide.let(b.mul(r, r))
    sine = b.add(b.mul(b.mul(r, z), b.polynomial(z, _SIN32)), r)
    cosine = b.add(b.sub(b.mul(b.mul(z, z), b.polynomial(z, _COS32)), b.mul(z, 0.5)), 1.0)
    odd = tirx.EQ(tirx.bitwise_and(quadrant, b.bits(1)), b.bits(1))
    flip = tirx.shift_left(tirx.bitwise_and(quadrant, b.bits(2)), b.bits(30))
    value = b.as_float(tirx.bitwise_xor(b.as_integer(b.select(odd, cosine, sine)), flip))
    finite = tirx.LT(tirx.abs(x), b.const(math.inf))
    return b.select(finite, value, b.const(math.nan))


def sin(b: Lanes, x: Expr) -> Expr:
    """The sine, f32."""
    return _sine(b, b.let(x), 0)


def cos(b: Lanes, x: Expr) -> Expr:
    """The cosine, f32."""
    return _sine(b, b.let(x), 1)


def pow(b: Lanes, x: Expr, y: Expr) -> Expr:
    """``exp(y log|x|)`` in f64, so that f32 results are right to the last place but for ties."""
    x, y = b.let(x), b.let(y)
    wide = b.wide()
    logarithm = log(wide, tirx.abs(b.cast(x, "float64")))
    power = b.cast(exp(wide, wide.mul(b.cast(y, "float64"), logarithm)), "float32")
    power = b.let(power)
    half = b.let(b.mul(y, 0.5))
    odd = tirx.And(tirx.EQ(tirx.floor(y), y), tirx.NE(tirx.floor(half), half))
    negative = tirx.LT(b.as_integer(x), b.bits(0))  # of minus zero too
    signed = b.select(tirx.And(negative, odd), b.mul(power, -1.0), power)
    real = tirx.Or(
        tirx.EQ(tirx.floor(y), y), tirx.Or(tirx.GE(x, b.const(0.0)), tirx.LE(x, b.const(-math.inf)))
    )
    undefined = tirx.And(tirx.LT(x, b.const(0.0)), tirx.Not(real))
    value = b.select(undefined, b.const(math.nan), signed)
    one = b.const(1.0)
    steady = tirx.And(tirx.EQ(x, b.const(-1.0)), tirx.GE(tirx.abs(y), b.const(math.inf)))
    trivial = tirx.Or(tirx.Or(tirx.EQ(x, one), tirx.EQ(y, b.const(0.0))), steady)
    return b.select(trivial, one, value)


def rsqrt(b: Lanes, x: Expr) -> Expr:
    """``1 / sqrt(x)``, both correctly rounded; the hardware's estimate is not."""
    return tirx.Div(b.const(1.0), tirx.sqrt(x))


def atan(b: Lanes, x: Expr) -> Expr:
    """Arc tangent, through ``atan(x) = pi/2 - atan(1/x)`` beyond one."""
    size = b.let(tirx.abs(x))
    large = tirx.GT(size, b.const(1.0))
    t = b.let(b.select(large, tirx.Div(b.const(1.0), size), size))
    z = b.let(b.mul(t, t))
    small = tirx.Div(b.mul(t, b.polynomial(z, _ATAN_OVER)), b.polynomial(z, _ATAN_UNDER))
    small = b.let(small)
    return b.with_sign(b.select(large, b.sub(b.const(math.pi / 2), small), small), x)


def asin(b: Lanes, x: Expr) -> Expr:
    """Arc sine, through ``asin(x) = pi/2 - 2 asin(sqrt((1 - x) / 2))`` beyond one half."""
    size = b.let(tirx.abs(x))
    large, near = _arc(b, size)
    value = b.select(large, b.sub(b.const(math.pi / 2), b.mul(near, 2.0)), near)
    return b.with_sign(value, x)


def acos(b: Lanes, x: Expr) -> Expr:
    """Arc cosine, from the same reduction as the arc sine."""
    x = b.let(x)
    large, near = _arc(b, b.let(tirx.abs(x)))
    negative = tirx.LT(x, b.const(0.0))
    twice = b.mul(near, 2.0)
    outer = b.select(negative, b.sub(b.const(math.pi), twice), twice)
    inner = b.sub(b.const(math.pi / 2), b.with_sign(near, x))
    return b.select(large, outer, inner)


def _arc(b: Lanes, size: Expr) -> tuple[Expr, Expr]:
    """Whether ``size`` is beyond one half, and the arc sine of it or of its counterpart."""
    large = tirx.GT(size, b.const(0.5))
    half = b.mul(b.sub(b.const(1.0), size), 0.5)
    z = b.let(b.select(large, half, b.mul(size, size)))
    s = b.let(b.select(large, tirx.sqrt(z), size))
    return large, b.let(b.add(b.mul(b.mul(s, z), b.polynomial(z, _ASIN32)), s))

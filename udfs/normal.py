"""The standard normal distribution: density, cumulative probability, quantile."""

import math

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from omopsql.registry import kernel

_INVERSE_SQRT_2 = 0.7071067811865476
_INVERSE_SQRT_2_PI = 0.3989422804014327


@intrinsic
def _fma(typing_context, a, b, c):
    """Multiply and add with one rounding: half the operations, and the same bits on every machine."""

    def generate(context, builder, signature, arguments):
        double = ir.DoubleType()
        fma = builder.module.declare_intrinsic("llvm.fma", [double], ir.FunctionType(double, [double] * 3))
        return builder.call(fma, arguments)

    return types.float64(types.float64, types.float64, types.float64), generate


@kernel(family="synth", example="SELECT omopsql.norm_pdf(0.0) --> 0.3989422804014327")
def norm_pdf(x: float) -> float:
    """Density of the standard normal distribution at x. NaN gives NaN, an infinity gives 0."""
    return _INVERSE_SQRT_2_PI * math.exp(-0.5 * x * x)


@kernel(family="synth", example="SELECT round(omopsql.norm_cdf(1.96), 6) --> 0.975002")
def norm_cdf(x: float) -> float:
    """Probability that a standard normal variable is at most x, in [0, 1]. NaN gives NaN.

    The complementary error function keeps full relative precision in the lower tail.
    """
    return 0.5 * math.erfc(-x * _INVERSE_SQRT_2)


@kernel(family="synth", example="SELECT round(omopsql.norm_ppf(0.975), 6) --> 1.959964")
def norm_ppf(p: float) -> float:
    """Standard normal quantile of probability p: the z with norm_cdf(z) = p.

    0 gives -infinity, 1 gives infinity, anything outside [0, 1] gives NaN. Relative error about 1e-16.
    Source: M. J. Wichura, Algorithm AS 241 (PPND16), Applied Statistics 37 (1988) 477-484.
    """
    q = p - 0.5
    if abs(q) <= 0.425:
        r = 0.180625 - q * q
        numerator = 2.5090809287301226727e3
        numerator = _fma(numerator, r, 3.3430575583588128105e4)
        numerator = _fma(numerator, r, 6.7265770927008700853e4)
        numerator = _fma(numerator, r, 4.5921953931549871457e4)
        numerator = _fma(numerator, r, 1.3731693765509461125e4)
        numerator = _fma(numerator, r, 1.9715909503065514427e3)
        numerator = _fma(numerator, r, 1.3314166789178437745e2)
        numerator = _fma(numerator, r, 3.3871328727963666080e0)
        denominator = 5.2264952788528545610e3
        denominator = _fma(denominator, r, 2.8729085735721942674e4)
        denominator = _fma(denominator, r, 3.9307895800092710610e4)
        denominator = _fma(denominator, r, 2.1213794301586595867e4)
        denominator = _fma(denominator, r, 5.3941960214247511077e3)
        denominator = _fma(denominator, r, 6.8718700749205790830e2)
        denominator = _fma(denominator, r, 4.2313330701600911252e1)
        return q * numerator / _fma(denominator, r, 1.0)
    tail = p if q < 0.0 else 1.0 - p
    if not tail > 0.0:
        if tail == 0.0:
            return -math.inf if q < 0.0 else math.inf
        return math.nan
    r = math.sqrt(-math.log(tail))
    if r <= 5.0:
        r -= 1.6
        numerator = 7.74545014278341407640e-4
        numerator = _fma(numerator, r, 2.27238449892691845833e-2)
        numerator = _fma(numerator, r, 2.41780725177450611770e-1)
        numerator = _fma(numerator, r, 1.27045825245236838258e0)
        numerator = _fma(numerator, r, 3.64784832476320460504e0)
        numerator = _fma(numerator, r, 5.76949722146069140550e0)
        numerator = _fma(numerator, r, 4.63033784615654529590e0)
        numerator = _fma(numerator, r, 1.42343711074968357734e0)
        denominator = 1.05075007164441684324e-9
        denominator = _fma(denominator, r, 5.47593808499534494600e-4)
        denominator = _fma(denominator, r, 1.51986665636164571966e-2)
        denominator = _fma(denominator, r, 1.48103976427480074590e-1)
        denominator = _fma(denominator, r, 6.89767334985100004550e-1)
        denominator = _fma(denominator, r, 1.67638483018380384940e0)
        denominator = _fma(denominator, r, 2.05319162663775882187e0)
        denominator = _fma(denominator, r, 1.0)
    else:
        r -= 5.0
        numerator = 2.01033439929228813265e-7
        numerator = _fma(numerator, r, 2.71155556874348757815e-5)
        numerator = _fma(numerator, r, 1.24266094738807843860e-3)
        numerator = _fma(numerator, r, 2.65321895265761230930e-2)
        numerator = _fma(numerator, r, 2.96560571828504891230e-1)
        numerator = _fma(numerator, r, 1.78482653991729133580e0)
        numerator = _fma(numerator, r, 5.46378491116411436990e0)
        numerator = _fma(numerator, r, 6.65790464350110377720e0)
        denominator = 2.04426310338993978564e-15
        denominator = _fma(denominator, r, 1.42151175831644588870e-7)
        denominator = _fma(denominator, r, 1.84631831751005468180e-5)
        denominator = _fma(denominator, r, 7.86869131145613259100e-4)
        denominator = _fma(denominator, r, 1.48753612908506148525e-2)
        denominator = _fma(denominator, r, 1.36929880922735805310e-1)
        denominator = _fma(denominator, r, 5.99832206555887937690e-1)
        denominator = _fma(denominator, r, 1.0)
    z = numerator / denominator
    return -z if q < 0.0 else z

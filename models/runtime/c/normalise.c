#section support_code

/* Maps with mean 0 and variance 1. A map is one thread's, from its sums to its result, so that the
   number of threads does not change a bit of it. */

static double sum_of(const float *x, long count) {
    double sum = 0;
    #pragma omp simd reduction(+ : sum)
    for (long i = 0; i < count; i++) sum += x[i];
    return sum;
}

static double squares_around(const float *x, long count, float mean) {
    double sum = 0;
    #pragma omp simd reduction(+ : sum)
    for (long i = 0; i < count; i++) {
        const float centred = x[i] - mean;
        sum += centred * centred;
    }
    return sum;
}

static void scale_map(const float *x, long count, float mean, float factor, float shift,
                      int rectified, float *y) {
    if (rectified) {
        #pragma omp simd
        for (long i = 0; i < count; i++) {
            const float sum = (x[i] - mean) * factor + shift;
            y[i] = sum <= 0 ? 0 : sum;
        }
    } else {
        #pragma omp simd
        for (long i = 0; i < count; i++) y[i] = (x[i] - mean) * factor + shift;
    }
}

/* The sums of the gradient above, and of it times the normalised map. */
static void sums_back(const float *g, const float *x, const float *y, long count, float mean,
                      float inverse, int rectified, double *shift, double *scale) {
    double first = 0, second = 0;
    #pragma omp simd reduction(+ : first, second)
    for (long i = 0; i < count; i++) {
        const float above = rectified && y[i] <= 0 ? 0 : g[i];
        first += above;
        second += above * ((x[i] - mean) * inverse);
    }
    *shift = first;
    *scale = second;
}

static void map_back(const float *g, const float *x, const float *y, long count, float mean,
                     float inverse, float factor, float shift, float scale, int rectified,
                     float *to) {
    #pragma omp simd
    for (long i = 0; i < count; i++) {
        const float above = rectified && y[i] <= 0 ? 0 : g[i];
        to[i] = factor * (above - shift - (x[i] - mean) * inverse * scale);
    }
}

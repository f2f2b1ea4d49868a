#section support_code

/* Pooling of 2x2 with stride 2, planes shared out among the threads. What is left of an odd row or
   column is not looked at. */

/* A window's largest number as Theano finds it: what compares as larger comes first. */
static inline float larger(float largest, float x) { return x > largest ? x : largest; }

static void pool_plane(const float *x, long width, long rows, long columns, int mean, float *y) {
    for (long i = 0; i < rows; i++) {
        const float *a = x + 2 * i * width, *b = a + width;
        float *out = y + i * columns;
        if (mean) {
            #pragma omp simd
            for (long j = 0; j < columns; j++)
                out[j] = (a[2 * j] + a[2 * j + 1] + b[2 * j] + b[2 * j + 1]) * .25f;
        } else {
            #pragma omp simd
            for (long j = 0; j < columns; j++)
                out[j] = larger(larger(larger(a[2 * j], a[2 * j + 1]), b[2 * j]), b[2 * j + 1]);
        }
    }
}

static void unpool_plane(const float *x, const float *y, const float *above, long height,
                         long width, long rows, long columns, int mean, float *gradient) {
    if (height > 2 * rows)
        memset(gradient + 2 * rows * width, 0, (height - 2 * rows) * width * sizeof(float));
    for (long i = 0; i < rows; i++) {
        const float *g = above + i * columns;
        float *a = gradient + 2 * i * width, *b = a + width;
        if (width > 2 * columns) a[2 * columns] = b[2 * columns] = 0;
        if (mean) {
            #pragma omp simd
            for (long j = 0; j < columns; j++)
                a[2 * j] = a[2 * j + 1] = b[2 * j] = b[2 * j + 1] = g[j] * .25f;
        } else {  /* to the first of the largest, in row order */
            const float *p = x + 2 * i * width, *q = p + width, *m = y + i * columns;
            #pragma omp simd
            for (long j = 0; j < columns; j++) {
                const int first = p[2 * j] == m[j], second = p[2 * j + 1] == m[j],
                          third = q[2 * j] == m[j], fourth = q[2 * j + 1] == m[j];
                a[2 * j] = first ? g[j] : 0;
                a[2 * j + 1] = !first & second ? g[j] : 0;
                b[2 * j] = !first & !second & third ? g[j] : 0;
                b[2 * j + 1] = !first & !second & !third & fourth ? g[j] : 0;
            }
        }
    }
}

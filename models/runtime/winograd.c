#section support_code

/* 3x3 convolution of stride 1 by Winograd's minimal filtering, F(4x4, 3x3): Lavin & Gray 2016, "Fast
   Algorithms for Convolutional Neural Networks", section 4. A tile of 4x4 outputs comes from 6x6
   inputs with 36 multiplications a channel instead of 144; the multiplications of all channels are 36
   matrix products. What has few tiles is multiplied directly, see DIRECT_BELOW. */

#include <stdlib.h>
#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#endif

extern "C" void openblas_set_num_threads(int) __attribute__((weak));
extern "C" int openblas_get_num_threads(void) __attribute__((weak));

enum {
    TILE = 4, POINTS = 36,
    BLOCK = 256,       /* tiles at once: with 512 channels 36 x 256 x 512 floats, 19 MB, twice */
    DIRECT_BELOW = 48  /* tiles: below, reading 36 instead of 9 numbers a kernel costs more */
};

/* Weights of a layer, as a correlation from `in` to `out` channels. */
struct Kernels {
    const float *data;
    long out, in, step_out, step_in;
    int flip;
};

/* 1D transform of a 3-tap kernel (g0, g1, g2) to six points. */
#define KERNEL_POINTS(u0, u1, u2, u3, u4, u5, g0, g1, g2) { \
    float ends = ((g0) + (g2)) * (1.f / 6), middle = (g1) * (1.f / 6); \
    float even = (g0) * (1.f / 24) + (g2) * (1.f / 6), odd = (g1) * (1.f / 12); \
    u0 = (g0) * .25f; u1 = -ends - middle; u2 = middle - ends; \
    u3 = even + odd; u4 = even - odd; u5 = (g2); }

/* 1D transform of six inputs to six points; may write where it reads. */
#define INPUT_POINTS(v0, v1, v2, v3, v4, v5, d0, d1, d2, d3, d4, d5) { \
    float a = (d4) - 4 * (d2), b = (d3) - 4 * (d1), c = (d4) - (d2), e = 2 * ((d3) - (d1)); \
    float first = 4 * (d0) - 5 * (d2) + (d4), last = 4 * (d1) - 5 * (d3) + (d5); \
    v0 = first; v1 = a + b; v2 = a - b; v3 = c + e; v4 = c - e; v5 = last; }

/* 1D transform of six points to four outputs; may write where it reads. */
#define OUTPUTS(o0, o1, o2, o3, m0, m1, m2, m3, m4, m5) { \
    float p = (m1) + (m2), n = (m1) - (m2), q = (m3) + (m4), w = (m3) - (m4); \
    o0 = (m0) + p + q; o1 = n + 2 * w; o2 = p + 4 * q; o3 = n + 8 * w + (m5); }

/* U[point][out][in] */
static void transform_kernels(Kernels kernels, float *U) {
    const long points = kernels.out * kernels.in;
    #pragma omp parallel for schedule(static)
    for (long k = 0; k < kernels.out; k++) {
        enum { CHUNK = 64 };
        float g[9][CHUNK], t[6][3][CHUNK];
        for (long first = 0; first < kernels.in; first += CHUNK) {
            const long count = kernels.in - first < CHUNK ? kernels.in - first : CHUNK;
            for (long c = 0; c < count; c++) {
                const float *w = kernels.data + k * kernels.step_out
                                 + (first + c) * kernels.step_in;
                for (int e = 0; e < 9; e++) g[kernels.flip ? 8 - e : e][c] = w[e];
            }
            for (int j = 0; j < 3; j++) {
                #pragma omp simd
                for (long c = 0; c < count; c++)
                    KERNEL_POINTS(t[0][j][c], t[1][j][c], t[2][j][c], t[3][j][c], t[4][j][c],
                                  t[5][j][c], g[j][c], g[3 + j][c], g[6 + j][c])
            }
            for (int i = 0; i < 6; i++) {
                float *u = U + i * 6 * points + k * kernels.in + first;
                #pragma omp simd
                for (long c = 0; c < count; c++)
                    KERNEL_POINTS(u[c], u[points + c], u[2 * points + c], u[3 * points + c],
                                  u[4 * points + c], u[5 * points + c], t[i][0][c], t[i][1][c],
                                  t[i][2][c])
            }
        }
    }
}

/* Where a block of tile rows lies: rows of tiles are counted through all pictures of the batch. */
struct Tiles {
    long first, rows, down, across;  /* first row of the block, its rows; tiles of one picture */
};

/* The six columns of the tiles from `from` to `to`; zeros beyond the picture. */
static void gather_at_border(const float *pixels, long width, long pad, long from, long to,
                             long step, float *d) {
    for (long j = from; j < to; j++)
        for (int s = 0; s < 6; s++) {
            const long column = TILE * j - pad + s;
            d[s * step + j] = column >= 0 && column < width ? pixels[column] : 0;
        }
}

/* One row of pixels -> the six columns of each tile. */
static void gather_row(const float *pixels, long width, long pad, long across, long step,
                       float *d) {
    /* Tiles from `left` to `right` have their six columns inside the picture. */
    long left = pad > 0 ? 1 : 0, right = width - 6 + pad >= 0 ? (width - 6 + pad) / TILE + 1 : 0;
    if (left > across) left = across;
    if (right > across) right = across;
    if (right < left) right = left;
    gather_at_border(pixels, width, pad, 0, left, step, d);
    const float *p = pixels - pad;
    for (long j = left; j < right; j++)
        for (int s = 0; s < 6; s++) d[s * step + j] = p[TILE * j + s];
    gather_at_border(pixels, width, pad, right, across, step, d);
}

/* One channel of a block -> V[point][tile], points `step` apart; d has room for 36 x tiles. */
static void transform_input(const float *x, long picture, long height, long width, long pad_rows,
                            long pad_columns, Tiles tiles, float *V, long step, float *d) {
    const long count = tiles.rows * tiles.across;
    for (long r = 0; r < tiles.rows; r++) {
        const long n = (tiles.first + r) / tiles.down;
        const long top = (tiles.first + r) % tiles.down * TILE - pad_rows;
        for (int i = 0; i < 6; i++) {
            float *row = d + i * 6 * count + r * tiles.across;
            if (top + i >= 0 && top + i < height)
                gather_row(x + n * picture + (top + i) * width, width, pad_columns, tiles.across,
                           count, row);
            else
                for (int s = 0; s < 6; s++)
                    memset(row + s * count, 0, tiles.across * sizeof(float));
        }
    }
    for (int s = 0; s < 6; s++) {
        float *a0 = d + s * count, *a1 = a0 + 6 * count, *a2 = a1 + 6 * count,
              *a3 = a2 + 6 * count, *a4 = a3 + 6 * count, *a5 = a4 + 6 * count;
        #pragma omp simd
        for (long t = 0; t < count; t++)
            INPUT_POINTS(a0[t], a1[t], a2[t], a3[t], a4[t], a5[t],
                         a0[t], a1[t], a2[t], a3[t], a4[t], a5[t])
    }
    for (int i = 0; i < 6; i++) {
        const float *b0 = d + i * 6 * count, *b1 = b0 + count, *b2 = b1 + count, *b3 = b2 + count,
                    *b4 = b3 + count, *b5 = b4 + count;
        float *v = V + i * 6 * step;
        #pragma omp simd
        for (long t = 0; t < count; t++)
            INPUT_POINTS(v[t], v[step + t], v[2 * step + t], v[3 * step + t], v[4 * step + t],
                         v[5 * step + t], b0[t], b1[t], b2[t], b3[t], b4[t], b5[t])
    }
}

/* M[point][tile], points `step` apart -> one channel of a block; s has room for 24 x tiles. */
static void transform_output(const float *M, long step, Tiles tiles, float *y, long picture,
                             long height, long width, float *s) {
    const long count = tiles.rows * tiles.across, down = 6 * step;
    for (int j = 0; j < 6; j++) {
        const float *m = M + j * step;
        float *s0 = s + j * count, *s1 = s0 + 6 * count, *s2 = s1 + 6 * count, *s3 = s2 + 6 * count;
        #pragma omp simd
        for (long t = 0; t < count; t++)
            OUTPUTS(s0[t], s1[t], s2[t], s3[t], m[t], m[down + t], m[2 * down + t],
                    m[3 * down + t], m[4 * down + t], m[5 * down + t])
    }
    for (int i = 0; i < TILE; i++) {
        float *b0 = s + i * 6 * count, *b1 = b0 + count, *b2 = b1 + count, *b3 = b2 + count;
        const float *b4 = b3 + count, *b5 = b4 + count;
        #pragma omp simd
        for (long t = 0; t < count; t++)
            OUTPUTS(b0[t], b1[t], b2[t], b3[t], b0[t], b1[t], b2[t], b3[t], b4[t], b5[t])
        for (long r = 0; r < tiles.rows; r++) {
            const long n = (tiles.first + r) / tiles.down;
            const long row = (tiles.first + r) % tiles.down * TILE + i;
            if (row >= height) continue;
            float *out = y + n * picture + row * width;
            const float *columns[TILE];
            for (int e = 0; e < TILE; e++) columns[e] = b0 + e * count + r * tiles.across;
            const long whole = width / TILE;
            for (long j = 0; j < whole; j++)
                for (int e = 0; e < TILE; e++) out[TILE * j + e] = columns[e][j];
            for (long e = 0; TILE * whole + e < width; e++) out[TILE * whole + e] = columns[e][whole];
        }
    }
}

/* C (rows x columns) = A (rows x inner) B (inner x columns), all row by row. */
static void multiply(const float *A, const float *B, float *C, long rows, long inner,
                     long columns) {
    char no = 'N';
    float one = 1, zero = 0;
    int m = (int)columns, n = (int)rows, k = (int)inner;
    sgemm_(&no, &no, &m, &n, &k, &one, (float *)B, &m, (float *)A, &k, &zero, C, &m);
}

/* Few tiles: the patches of each picture as columns, one matrix product. Returns 1 without memory. */
static int convolve_directly(const float *x, Kernels kernels, float *y, long pictures, long height,
                             long width, long pad_rows, long pad_columns) {
    const long in = kernels.in, out = kernels.out;
    const long rows = height + 2 * pad_rows - 2, columns = width + 2 * pad_columns - 2;
    float *W = (float *)malloc(sizeof(float) * out * in * 9);
    float *patches = (float *)malloc(sizeof(float) * in * 9 * rows * columns);
    if (!W || !patches) { free(W); free(patches); return 1; }
    for (long k = 0; k < out; k++)
        for (long c = 0; c < in; c++)
            for (int e = 0; e < 9; e++)
                W[(k * in + c) * 9 + (kernels.flip ? 8 - e : e)] =
                    kernels.data[k * kernels.step_out + c * kernels.step_in + e];
    for (long n = 0; n < pictures; n++) {
        for (long c = 0; c < in; c++)
            for (int e = 0; e < 9; e++) {
                float *patch = patches + (c * 9 + e) * rows * columns;
                for (long i = 0; i < rows; i++) {
                    const long row = i + e / 3 - pad_rows;
                    for (long j = 0; j < columns; j++) {
                        const long column = j + e % 3 - pad_columns;
                        const int inside = row >= 0 && row < height && column >= 0 && column < width;
                        patch[i * columns + j] =
                            inside ? x[((n * in + c) * height + row) * width + column] : 0;
                    }
                }
            }
        multiply(W, patches, y + n * out * rows * columns, out, in * 9, rows * columns);
    }
    free(W);
    free(patches);
    return 0;
}

/* Returns 1 without memory. The block's size does not depend on the threads, nor do the results. */
static int convolve(const float *x, Kernels kernels, float *y, long pictures, long height,
                    long width, long pad_rows, long pad_columns) {
    const long in = kernels.in, out = kernels.out;
    const long out_height = height + 2 * pad_rows - 2, out_width = width + 2 * pad_columns - 2;
    if (!pictures || !in || !out || out_height <= 0 || out_width <= 0) return 0;
    const long down = (out_height + TILE - 1) / TILE, across = (out_width + TILE - 1) / TILE;
    if (pictures * down * across < DIRECT_BELOW)
        return convolve_directly(x, kernels, y, pictures, height, width, pad_rows, pad_columns);
    const long all = pictures * down;
    long block = BLOCK / across > 0 ? BLOCK / across : 1;
    if (block > all) block = all;
    int threads = 1, blas_threads = 0;
#ifdef _OPENMP
    if (openblas_set_num_threads) threads = omp_get_max_threads();
#endif
    float *U = (float *)malloc(sizeof(float) * POINTS * out * in);
    float *V = (float *)malloc(sizeof(float) * POINTS * in * block * across);
    float *M = (float *)malloc(sizeof(float) * POINTS * out * block * across);
    float *scratch = (float *)malloc(sizeof(float) * threads * POINTS * block * across);
    if (!U || !V || !M || !scratch) { free(U); free(V); free(M); free(scratch); return 1; }
    if (threads > 1) {  /* the threads share out whole products */
        blas_threads = openblas_get_num_threads();
        openblas_set_num_threads(1);
    }
    transform_kernels(kernels, U);
    #pragma omp parallel num_threads(threads)
    {
        float *own = scratch;
#ifdef _OPENMP
        own += omp_get_thread_num() * POINTS * block * across;
#endif
        for (long first = 0; first < all; first += block) {
            const Tiles tiles = {first, block < all - first ? block : all - first, down, across};
            const long count = tiles.rows * across;
            #pragma omp for schedule(static)
            for (long c = 0; c < in; c++)
                transform_input(x + c * height * width, in * height * width, height, width,
                                pad_rows, pad_columns, tiles, V + c * count, in * count, own);
            #pragma omp for schedule(dynamic)
            for (int point = 0; point < POINTS; point++)
                multiply(U + point * out * in, V + point * in * count, M + point * out * count,
                         out, in, count);
            #pragma omp for schedule(static)
            for (long k = 0; k < out; k++)
                transform_output(M + k * count, out * count, tiles,
                                 y + k * out_height * out_width, out * out_height * out_width,
                                 out_height, out_width, own);
        }
    }
    if (blas_threads) openblas_set_num_threads(blas_threads);
    free(U);
    free(V);
    free(M);
    free(scratch);
    return 0;
}

#section support_code_apply

int APPLY_SPECIFIC(winograd)(PyArrayObject *x, PyArrayObject *w, PyArrayObject **y,
                             PARAMS_TYPE *params) {
    const npy_intp *x_shape = PyArray_DIMS(x), *w_shape = PyArray_DIMS(w);
    const int backward = params->backward;
    npy_intp shape[4] = {x_shape[0], w_shape[backward ? 1 : 0],
                         x_shape[2] + 2 * params->pad_rows - 2,
                         x_shape[3] + 2 * params->pad_columns - 2};
    if (w_shape[backward ? 0 : 1] != x_shape[1] || w_shape[2] != 3 || w_shape[3] != 3) {
        PyErr_Format(PyExc_ValueError, "a 3x3 convolution got pictures of %ld channels and kernels "
                     "(%ld, %ld, %ld, %ld)", (long)x_shape[1], (long)w_shape[0], (long)w_shape[1],
                     (long)w_shape[2], (long)w_shape[3]);
        return 1;
    }
    if (shape[2] <= 0 || shape[3] <= 0) {
        PyErr_Format(PyExc_ValueError, "a 3x3 convolution got pictures of %ldx%ld, too small for "
                     "its padding", (long)x_shape[2], (long)x_shape[3]);
        return 1;
    }
    if (*y == NULL || !PyArray_ISCARRAY(*y) || memcmp(PyArray_DIMS(*y), shape, sizeof shape)) {
        Py_XDECREF(*y);
        *y = (PyArrayObject *)PyArray_EMPTY(4, shape, NPY_FLOAT32, 0);
        if (*y == NULL) return 1;
    }
    x = PyArray_GETCONTIGUOUS(x);
    w = PyArray_GETCONTIGUOUS(w);
    if (x == NULL || w == NULL) {
        Py_XDECREF(x);
        Py_XDECREF(w);
        return 1;
    }
    const long filters = w_shape[0], channels = w_shape[1];
    Kernels kernels = {(const float *)PyArray_DATA(w), filters, channels, channels * 9, 9,
                       params->flip};
    if (backward) {
        Kernels transposed = {kernels.data, channels, filters, 9, channels * 9, !params->flip};
        kernels = transposed;
    }
    const int failed = convolve((const float *)PyArray_DATA(x), kernels, (float *)PyArray_DATA(*y),
                                x_shape[0], x_shape[2], x_shape[3], params->pad_rows,
                                params->pad_columns);
    Py_DECREF(x);
    Py_DECREF(w);
    if (failed) PyErr_NoMemory();
    return failed;
}

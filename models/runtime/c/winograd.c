#section support_code

/* 3x3 convolution of stride 1 by Winograd's minimal filtering, F(4x4, 3x3): Lavin & Gray 2016,
   "Fast Algorithms for Convolutional Neural Networks", section 4. A tile of 4x4 outputs comes from
   6x6 inputs with 36 multiplications a channel instead of 144; the multiplications of all channels
   are 36 matrix products. Both ways back are transposes of the way forward, so that all three share
   the transformed kernels.

   The polynomials are taken at 0, +-1/sqrt(2), +-sqrt(2) and infinity: products of points stay near
   1, and the error is a fifth of that with the usual 0, +-1, +-2 and infinity. */

#define INLINE static inline __attribute__((always_inline))

enum {
    TILE = 4, SIDE = 6, POINTS = 36,
    LANES = 8,   /* floats; loops go on to whole vector registers */
    BLOCK = 256  /* tiles at once: with 512 channels 36 x 256 x 512 floats, 19 MB, twice */
};

static const float SMALL = 0.70710678f, LARGE = 1.41421356f;  /* the points, but for their signs */

static long rounded_up(long count) { return (count + LANES - 1) / LANES * LANES; }

/* Three taps of a kernel -> six points. */
INLINE void kernel_points(float *u, long step, float g0, float g1, float g2) {
    const float s = (g0 + .5f * g2) * (-1 / 1.5f), t = SMALL * g1 * (-1 / 1.5f);
    const float l = (g0 + 2 * g2) * (1 / 6.f), m = LARGE * g1 * (1 / 6.f);
    u[0] = g0; u[step] = s + t; u[2 * step] = s - t;
    u[3 * step] = l + m; u[4 * step] = l - m; u[5 * step] = g2;
}

/* Six points -> three taps; the transpose. */
INLINE void points_kernel(float &g0, float &g1, float &g2, float u0, float u1, float u2, float u3,
                          float u4, float u5) {
    const float s = (u1 + u2) * (-1 / 1.5f), t = (u1 - u2) * (-SMALL / 1.5f);
    const float l = (u3 + u4) * (1 / 6.f), m = (u3 - u4) * (LARGE / 6.f);
    g0 = u0 + s + l; g1 = t + m; g2 = .5f * s + 2 * l + u5;
}

/* Six inputs -> six points. */
INLINE void input_points(float *v, long step, float d0, float d1, float d2, float d3, float d4,
                         float d5) {
    const float s = d4 - 2 * d2, t = SMALL * (d3 - 2 * d1);
    const float l = d4 - .5f * d2, m = LARGE * (d3 - .5f * d1);
    v[0] = d0 - 2.5f * d2 + d4; v[step] = s + t; v[2 * step] = s - t;
    v[3 * step] = l + m; v[4 * step] = l - m; v[5 * step] = d1 - 2.5f * d3 + d5;
}

/* Six points -> six inputs; the transpose. */
INLINE void points_input(float &d0, float &d1, float &d2, float &d3, float &d4, float &d5, float v0,
                         float v1, float v2, float v3, float v4, float v5) {
    const float s = v1 + v2, t = SMALL * (v1 - v2);
    const float l = v3 + v4, m = LARGE * (v3 - v4);
    d0 = v0; d1 = v5 - 2 * t - .5f * m; d2 = -2.5f * v0 - 2 * s - .5f * l;
    d3 = t + m - 2.5f * v5; d4 = v0 + s + l; d5 = v5;
}

/* Six points -> four outputs. */
INLINE void points_output(float &o0, float &o1, float &o2, float &o3, float m0, float m1, float m2,
                          float m3, float m4, float m5) {
    const float s = m1 + m2, t = SMALL * (m1 - m2);
    const float l = m3 + m4, w = LARGE * (m3 - m4);
    o0 = m0 + s + l; o1 = t + w; o2 = .5f * s + 2 * l; o3 = .5f * t + 2 * w + m5;
}

/* Four outputs -> six points; the transpose. */
INLINE void output_points(float *m, long step, float o0, float o1, float o2, float o3) {
    const float s = o0 + .5f * o2, t = SMALL * (o1 + .5f * o3);
    const float l = o0 + 2 * o2, w = LARGE * (o1 + 2 * o3);
    m[0] = o0; m[step] = s + t; m[2 * step] = s - t;
    m[3 * step] = l + w; m[4 * step] = l - w; m[5 * step] = o3;
}

/* Kernels (out, in, 3, 3) -> U[point][out][in]. */
static void kernels_to_points(const float *kernels, long out, long in, int flip, float *U) {
    const long step = out * in;
    #pragma omp parallel for schedule(static)
    for (long k = 0; k < out; k++) {
        enum { CHUNK = 64 };
        float g[9][CHUNK], t[SIDE][3][CHUNK];
        for (long first = 0; first < in; first += CHUNK) {
            const long count = in - first < CHUNK ? in - first : CHUNK;
            for (long c = 0; c < count; c++)
                for (int e = 0; e < 9; e++)
                    g[flip ? 8 - e : e][c] = kernels[(k * in + first + c) * 9 + e];
            for (int j = 0; j < 3; j++) {
                #pragma omp simd
                for (long c = 0; c < count; c++)
                    kernel_points(&t[0][j][c], 3 * CHUNK, g[j][c], g[3 + j][c], g[6 + j][c]);
            }
            for (int i = 0; i < SIDE; i++) {
                float *u = U + i * SIDE * step + k * in + first;
                #pragma omp simd
                for (long c = 0; c < count; c++)
                    kernel_points(u + c, step, t[i][0][c], t[i][1][c], t[i][2][c]);
            }
        }
    }
}

/* U[point][out][in], gradients at the points -> gradient of the kernels (out, in, 3, 3). */
static void points_to_kernels(const float *U, long out, long in, int flip, float *kernels) {
    const long step = out * in;
    #pragma omp parallel for schedule(static)
    for (long k = 0; k < out; k++)
        for (long c = 0; c < in; c++) {
            const float *u = U + k * in + c;
            float t[3][SIDE], g[9];
            for (int j = 0; j < SIDE; j++)
                points_kernel(t[0][j], t[1][j], t[2][j], u[j * step], u[(SIDE + j) * step],
                              u[(2 * SIDE + j) * step], u[(3 * SIDE + j) * step],
                              u[(4 * SIDE + j) * step], u[(5 * SIDE + j) * step]);
            for (int i = 0; i < 3; i++)
                points_kernel(g[3 * i], g[3 * i + 1], g[3 * i + 2], t[i][0], t[i][1], t[i][2],
                              t[i][3], t[i][4], t[i][5]);
            for (int e = 0; e < 9; e++) kernels[(k * in + c) * 9 + e] = g[flip ? 8 - e : e];
        }
}

/* Pictures (batch, channels, height, width) and the zeros that lie around them. */
struct Pictures {
    const float *data;
    long channels, height, width, pad_rows, pad_columns;
};

/* Rows of tiles, counted through all pictures of a batch: which of them are done at once. */
struct Block {
    long first, rows, down, across;  /* first row, how many; tiles of a picture down and across */
    int add_first, add_last;         /* whether the blocks before and after are done already */
    long count() const { return rows * across; }
    long picture(long row) const { return (first + row) / down; }
    long top(long row) const { return (first + row) % down * TILE; }  /* pixels, in the output */
    /* Loops over a row of tiles go on to whole vector registers: what they write beyond the row is
       written anew with the next row. After the last row nothing may be written. */
    long loop(long row) const {
        const long whole = rounded_up(across), left = count() - row * across;
        return whole < left ? whole : left;
    }
    /* Whether the tiles above or below have written line i of a row of tiles of inputs already. */
    int adds(long row, int i) const {
        const long place = (first + row) % down;
        if (i < SIDE - TILE) return place > 0 && (row > 0 || add_first);
        return i >= TILE && place + 1 < down && row + 1 == rows && add_last;
    }
};

/* The distance of one point's matrix from the next: were it a multiple of 4096 bytes, what is
   written to all points of a tile would meet in the same few places of the cache. */
static long step_of(long numbers) { return (numbers + 1023) / 1024 * 1024 + LANES * 2; }

/* How many floats one row of `phases` takes: every fourth pixel, and what the loops go on to. */
static long room_of(long across) { return rounded_up(across) + 1; }

/* A line of pixels -> four lines of every fourth pixel, `room` apart. */
static void split(const float *line, long count, long room, float *phases) {
    #pragma omp simd
    for (long j = 0; j < count; j++) {
        phases[j] = line[TILE * j];
        phases[room + j] = line[TILE * j + 1];
        phases[2 * room + j] = line[TILE * j + 2];
        phases[3 * room + j] = line[TILE * j + 3];
    }
}

/* The line of a picture that starts at `row` and `column`, `length` pixels; zeros outside. */
static void read_line(Pictures x, const float *channel, long row, long column, long length,
                      float *line) {
    const long first = column < 0 ? -column : 0;
    long end = x.width - column < length ? x.width - column : length;
    if (row < 0 || row >= x.height || end <= first) {
        memset(line, 0, length * sizeof(float));
        return;
    }
    memset(line, 0, first * sizeof(float));
    memcpy(line + first, channel + row * x.width + column + first, (end - first) * sizeof(float));
    memset(line + end, 0, (length - end) * sizeof(float));
}

/* Inputs of one channel -> V[point][tile], points `step` apart. */
static void input_to_points(Pictures x, long channel, Block block, float *V, long step,
                            float *scratch) {
    const long room = room_of(block.across), length = TILE * room;
    float *line = scratch, *phases = line + length, *t = phases + SIDE * TILE * room;
    for (long r = 0; r < block.rows; r++) {
        const float *data = x.data + (block.picture(r) * x.channels + channel) * x.height * x.width;
        for (int i = 0; i < SIDE; i++) {
            float *row = phases + i * TILE * room;
            if (i < 2 && r > 0 && block.top(r) > 0) {  /* the last two rows of the tiles above */
                memcpy(row, phases + (i + TILE) * TILE * room, TILE * room * sizeof(float));
                continue;
            }
            read_line(x, data, block.top(r) + i - x.pad_rows, -x.pad_columns, length, line);
            split(line, block.across + 1, room, row);
        }
        const long whole = TILE * room;
        #pragma omp simd
        for (long j = 0; j < whole; j++)
            input_points(t + j, whole, phases[j], phases[whole + j], phases[2 * whole + j],
                            phases[3 * whole + j], phases[4 * whole + j], phases[5 * whole + j]);
        const long loop = block.loop(r);
        for (int i = 0; i < SIDE; i++) {
            const float *p0 = t + i * whole, *p1 = p0 + room, *p2 = p1 + room, *p3 = p2 + room;
            float *v = V + i * SIDE * step + r * block.across;
            #pragma omp simd
            for (long j = 0; j < loop; j++)
                input_points(v + j, step, p0[j], p1[j], p2[j], p3[j], p0[j + 1], p1[j + 1]);
        }
    }
}

/* V[point][tile] -> gradient of one channel of the inputs, which overlap. */
static void points_to_input(const float *V, long step, Block block, Pictures x, long channel,
                            float *gradient, float *scratch) {
    const long room = room_of(block.across), whole = SIDE * room;
    float *line = scratch, *t = line + TILE * room, *c = t + SIDE * whole;
    memset(c, 0, whole * sizeof(float));
    for (long r = 0; r < block.rows; r++) {
        float *data = gradient + (block.picture(r) * x.channels + channel) * x.height * x.width;
        const long loop = block.loop(r), down = SIDE * step, top = block.top(r) - x.pad_rows;
        for (int s = 0; s < SIDE; s++) {
            const float *v = V + s * step + r * block.across;
            float *o = t + s * room;
            #pragma omp simd
            for (long j = 0; j < loop; j++)
                points_input(o[j], o[whole + j], o[2 * whole + j], o[3 * whole + j],
                                o[4 * whole + j], o[5 * whole + j], v[j], v[down + j],
                                v[2 * down + j], v[3 * down + j], v[4 * down + j], v[5 * down + j]);
        }
        for (int i = 0; i < SIDE; i++) {
            if (top + i < 0 || top + i >= x.height) continue;
            const float *v = t + i * whole;
            /* Each tile overlaps the first two columns of the next: leave a place before, which the
               line before may end in with a 0. */
            float *c0 = c + 1, *c1 = c0 + room, *c2 = c1 + room, *c3 = c2 + room, *c4 = c3 + room,
                  *c5 = c4 + room;
            #pragma omp simd
            for (long j = 0; j < block.across; j++)
                points_input(c0[j], c1[j], c2[j], c3[j], c4[j], c5[j], v[j], v[room + j],
                                v[2 * room + j], v[3 * room + j], v[4 * room + j], v[5 * room + j]);
            const long across = block.across;
            c0[across] = c1[across] = c2[across] = c3[across] = 0;
            #pragma omp simd
            for (long j = 0; j <= across; j++) {
                line[TILE * j] = c0[j] + c4[j - 1];
                line[TILE * j + 1] = c1[j] + c5[j - 1];
                line[TILE * j + 2] = c2[j];
                line[TILE * j + 3] = c3[j];
            }
            float *out = data + (top + i) * x.width;
            const float *in = line + x.pad_columns;
            if (block.adds(r, i)) {
                #pragma omp simd
                for (long j = 0; j < x.width; j++) out[j] += in[j];
            } else
                memcpy(out, in, x.width * sizeof(float));
        }
    }
}

/* M[point][tile] -> outputs of one channel, with the bias and, if asked for, rectified. */
static void points_to_output(const float *M, long step, Block block, float bias, int rectified,
                             float *y, long channels, long channel, long height, long width,
                             float *scratch) {
    const long room = room_of(block.across), whole = SIDE * room, down = SIDE * step;
    float *line = scratch, *t = line + TILE * room;
    for (long r = 0; r < block.rows; r++) {
        float *data = y + (block.picture(r) * channels + channel) * height * width;
        const long loop = block.loop(r);
        for (int s = 0; s < SIDE; s++) {
            const float *m = M + s * step + r * block.across;
            float *o = t + s * room;
            #pragma omp simd
            for (long j = 0; j < loop; j++)
                points_output(o[j], o[whole + j], o[2 * whole + j], o[3 * whole + j], m[j],
                                 m[down + j], m[2 * down + j], m[3 * down + j], m[4 * down + j],
                                 m[5 * down + j]);
        }
        for (int i = 0; i < TILE && block.top(r) + i < height; i++) {
            const float *o = t + i * whole;
            #pragma omp simd
            for (long j = 0; j < loop; j++)
                points_output(line[TILE * j], line[TILE * j + 1], line[TILE * j + 2],
                                 line[TILE * j + 3], o[j], o[room + j], o[2 * room + j],
                                 o[3 * room + j], o[4 * room + j], o[5 * room + j]);
            finish_line(line, bias, rectified, width, data + (block.top(r) + i) * width);
        }
    }
}

/* Gradients of one channel of the outputs -> M[point][tile]. */
static void output_to_points(Pictures g, Rectifier rectifier, long channel, Block block, float *M,
                             long step, float *scratch) {
    const long room = room_of(block.across), length = TILE * room;
    float *line = scratch, *phases = line + length, *t = phases + TILE * TILE * room;
    for (long r = 0; r < block.rows; r++) {
        const long start = (block.picture(r) * g.channels + channel) * g.height * g.width;
        for (int i = 0; i < TILE; i++) {
            const long row = block.top(r) + i;
            read_line(g, g.data + start, row, 0, length, line);
            if (row < g.height) rectifier.pass(start + row * g.width, g.width, line);
            split(line, block.across, room, phases + i * length);
        }
        #pragma omp simd
        for (long j = 0; j < length; j++)
            output_points(t + j, length, phases[j], phases[length + j], phases[2 * length + j],
                             phases[3 * length + j]);
        const long loop = block.loop(r);
        for (int i = 0; i < SIDE; i++) {
            const float *o = t + i * length;
            float *m = M + i * SIDE * step + r * block.across;
            #pragma omp simd
            for (long j = 0; j < loop; j++)
                output_points(m + j, step, o[j], o[room + j], o[2 * room + j], o[3 * room + j]);
        }
    }
}

/* Who does a block: all threads together, which share out channels and points and wait for each
   other, or one thread alone. */
struct Share {
    long first, step;
    void wait() const {
        if (step > 1) {
            #pragma omp barrier
        }
    }
};

/* Memory and threads of one convolution. Size and order of the blocks depend on shapes only, and
   not on the number of threads; so do the results. */
struct Work {
    long down, across, all, block_rows, blocks, size_V, size_M, size_scratch;
    int alone;  /* a block fits into one core's cache, so each thread takes blocks of its own */
    Threads threads;
    float *V, *M, *scratch;

    Work(long pictures, long in, long out, long height, long width, int may_be_alone) {
        down = (height + TILE - 1) / TILE;
        across = (width + TILE - 1) / TILE;
        all = pictures * down;
        alone = may_be_alone && in + out <= 64 && all * across >= 512;
        const long tiles = alone ? 600000 / (4 * POINTS * (in + out)) : BLOCK;
        block_rows = tiles / across > 0 ? tiles / across : 1;
        if (block_rows > all) block_rows = all;
        blocks = (all + block_rows - 1) / block_rows;
        const long count = block_rows * across, owners = alone ? threads.count : 1;
        size_V = POINTS * step_of(in * count);
        size_M = POINTS * step_of(out * count);
        size_scratch = (TILE + 2 * SIDE * SIDE) * room_of(across);
        V = (float *)malloc(sizeof(float) * owners * size_V);
        M = (float *)malloc(sizeof(float) * owners * size_M);
        scratch = (float *)calloc(threads.count * size_scratch, sizeof(float));
    }
    ~Work() {
        free(V);
        free(M);
        free(scratch);
    }
    int failed() const { return !V || !M || !scratch; }
    Block block(long number, int add_first, int add_last) const {
        const long first = number * block_rows;
        const Block found = {first, block_rows < all - first ? block_rows : all - first, down,
                             across, add_first, add_last};
        return found;
    }
    /* Calls compute(block, share, V, M, scratch) for each block. */
    template <class Compute> void run(Compute compute) const {
        #pragma omp parallel num_threads(threads.count)
        {
            const long thread = this_thread();
            float *own = scratch + thread * size_scratch;
            const Share all_threads = {thread, threads.count}, one_thread = {0, 1};
            if (!alone)
                for (long b = 0; b < blocks; b++)
                    compute(block(b, 1, 0), all_threads, V, M, own);
            else
                for (int odd = 0; odd < 2; odd++) {  /* what overlaps is not done at once */
                    #pragma omp for schedule(dynamic)
                    for (long b = odd; b < blocks; b += 2)
                        compute(block(b, odd, odd), one_thread, V + thread * size_V,
                                M + thread * size_M, own);
                }
        }
    }
};

/* y (batch, out, height, width) = x * kernels, where U[point][out][in] are the kernels' points. */
static int convolve(Pictures x, const float *U, long pictures, long out, const float *bias,
                    int rectified, float *y) {
    const long in = x.channels;
    const long height = x.height + 2 * x.pad_rows - 2, width = x.width + 2 * x.pad_columns - 2;
    const Work work(pictures, in, out, height, width, 1);
    if (work.failed()) return 1;
    work.run([=](Block block, Share share, float *V, float *M, float *scratch) {
        const long count = block.count();
        const long step_V = step_of(in * count), step_M = step_of(out * count);
        for (long c = share.first; c < in; c += share.step)
            input_to_points(x, c, block, V + c * count, step_V, scratch);
        share.wait();
        for (long point = share.first; point < POINTS; point += share.step)
            multiply('N', 'N', out, count, in, U + point * out * in, in, V + point * step_V, count,
                     0, M + point * step_M, count);
        share.wait();
        for (long k = share.first; k < out; k += share.step)
            points_to_output(M + k * count, step_M, block, bias ? bias[k] : 0, rectified, y, out, k,
                             height, width, scratch);
    });
    return 0;
}

/* gradient (batch, in, height, width) with respect to the inputs, from that of the outputs, g. */
static int convolve_back(Pictures g, Rectifier rectifier, const float *U, long pictures,
                         Pictures x, float *gradient) {
    const long in = x.channels, out = g.channels;
    const Work work(pictures, in, out, g.height, g.width, 1);
    if (work.failed()) return 1;
    work.run([=](Block block, Share share, float *V, float *M, float *scratch) {
        const long count = block.count();
        const long step_V = step_of(in * count), step_M = step_of(out * count);
        for (long k = share.first; k < out; k += share.step)
            output_to_points(g, rectifier, k, block, M + k * count, step_M, scratch);
        share.wait();
        for (long point = share.first; point < POINTS; point += share.step)
            multiply('T', 'N', in, count, out, U + point * out * in, in, M + point * step_M, count,
                     0, V + point * step_V, count);
        share.wait();
        for (long c = share.first; c < in; c += share.step)
            points_to_input(V + c * count, step_V, block, x, c, gradient, scratch);
    });
    return 0;
}

/* Gradients at the points U[point][out][in], summed over all tiles of the batch in their order. */
static int convolve_weights(Pictures x, Pictures g, long pictures, float *U) {
    const long in = x.channels, out = g.channels;
    const Work work(pictures, in, out, g.height, g.width, 0);
    if (work.failed()) return 1;
    const Rectifier none = {NULL, 0};
    work.run([=](Block block, Share share, float *V, float *M, float *scratch) {
        const long count = block.count();
        const long step_V = step_of(in * count), step_M = step_of(out * count);
        for (long c = share.first; c < in; c += share.step)
            input_to_points(x, c, block, V + c * count, step_V, scratch);
        for (long k = share.first; k < out; k += share.step)
            output_to_points(g, none, k, block, M + k * count, step_M, scratch);
        share.wait();
        for (long point = share.first; point < POINTS; point += share.step)
            multiply('N', 'T', out, in, count, M + point * step_M, count, V + point * step_V, count,
                     block.first > 0, U + point * out * in, in);
        share.wait();
    });
    return 0;
}

/* What the ops ask before they begin. Each returns 1, with Python's error set, where it stops. */

static int wrong_channels(npy_intp needed, PyArrayObject *x) {
    if (PyArray_DIMS(x)[1] == needed) return 0;
    PyErr_Format(PyExc_ValueError, "a 3x3 convolution of kernels for %ld channels got %ld",
                 (long)needed, (long)PyArray_DIMS(x)[1]);
    return 1;
}

static int too_small(const npy_intp *shape, PyArrayObject *x) {
    if (shape[2] > 0 && shape[3] > 0) return 0;
    PyErr_Format(PyExc_ValueError, "a 3x3 convolution got pictures of %ldx%ld, too small for its "
                 "padding", (long)PyArray_DIMS(x)[2], (long)PyArray_DIMS(x)[3]);
    return 1;
}

#section support_code

/* Convolution of any size and stride as products of the kernels with patches of the picture, for
   what Winograd does not fit. The patches of a few rows are laid out at a time, so that they are
   multiplied, biased and rectified while they are in the cache; each thread has rows of its own. */

/* Pictures, kernels and outputs of one convolution, all contiguous. */
struct Patches {
    long pictures, channels, height, width;
    long filters, kernel_rows, kernel_columns;
    long stride_rows, stride_columns, pad_rows, pad_columns;
    long out_height, out_width;
    long inner() const { return channels * kernel_rows * kernel_columns; }
    long outputs() const { return out_height * out_width; }
    /* 1x1 kernels: the picture is its own patches. */
    int pointwise() const {
        return kernel_rows == 1 && kernel_columns == 1 && stride_rows == 1 && stride_columns == 1
               && pad_rows == 0 && pad_columns == 0;
    }
    /* How many rows of `width` outputs at a time: patches and outputs of 400 kB, at most a quarter
       of the picture, so that there is work for several threads. */
    long rows_at_once(long rows) const {
        long found = 100000 / ((inner() + filters) * out_width) + 1;
        if (found > (rows + 3) / 4) found = (rows + 3) / 4;
        return found;
    }
};

/* The first output whose patch reaches `pixel`, and the first whose patch begins behind it. */
static inline long first_reaching(long pixel, long kernel, long stride, long pad) {
    const long distance = pixel + pad - kernel + 1;
    return distance <= 0 ? 0 : (distance + stride - 1) / stride;
}

static inline long end_reaching(long pixel, long stride, long pad, long outputs) {
    const long end = (pixel + pad) / stride + 1;
    return end < outputs ? end : outputs;
}

/* Kernels in the order of the patches: flipped ones the other way round, in memory of their own. */
struct Ordered {
    float *own;
    const float *kernels;
    Ordered(const float *given, const Patches &p, int flip) : own(NULL), kernels(given) {
        if (!flip) return;
        const long size = p.kernel_rows * p.kernel_columns, count = p.filters * p.channels;
        kernels = own = (float *)malloc(sizeof(float) * count * size);
        if (own)
            for (long k = 0; k < count; k++)
                for (long e = 0; e < size; e++) own[k * size + e] = given[k * size + size - 1 - e];
    }
    ~Ordered() { free(own); }
};

/* The patches of outputs in some rows: (channel, row, column of the kernel) x outputs. */
static void lay_out(const Patches &p, const float *x, long first, long rows, float *patches) {
    for (long c = 0; c < p.channels; c++)
        for (long i = 0; i < p.kernel_rows; i++)
            for (long j = 0; j < p.kernel_columns; j++)
                for (long r = 0; r < rows; r++, patches += p.out_width) {
                    const long row = (first + r) * p.stride_rows - p.pad_rows + i;
                    long begin = first_reaching(0, j + 1, p.stride_columns, p.pad_columns);
                    long end = (p.width - 1 + p.pad_columns - j) / p.stride_columns + 1;
                    if (p.width - 1 + p.pad_columns < j) end = 0;
                    if (end > p.out_width) end = p.out_width;
                    if (row < 0 || row >= p.height || begin >= end) begin = end = 0;
                    const float *line = x + (c * p.height + row) * p.width + j - p.pad_columns;
                    memset(patches, 0, begin * sizeof(float));
                    if (p.stride_columns == 1)
                        memcpy(patches + begin, line + begin, (end - begin) * sizeof(float));
                    else
                        for (long o = begin; o < end; o++) patches[o] = line[o * p.stride_columns];
                    memset(patches + end, 0, (p.out_width - end) * sizeof(float));
                }
}

/* Adds gradients of patches to those of the picture's rows from `first` to `end`. */
static void add_up(const Patches &p, const float *patches, long out_first, long out_rows,
                   long first, long end, float *gradient) {
    for (long c = 0; c < p.channels; c++)
        for (long i = 0; i < p.kernel_rows; i++)
            for (long j = 0; j < p.kernel_columns; j++)
                for (long r = 0; r < out_rows; r++, patches += p.out_width) {
                    const long row = (out_first + r) * p.stride_rows - p.pad_rows + i;
                    if (row < first || row >= end) continue;
                    const long begin = first_reaching(0, j + 1, p.stride_columns, p.pad_columns);
                    long last = p.width - 1 + p.pad_columns - j;
                    last = last < 0 ? 0 : last / p.stride_columns + 1;
                    if (last > p.out_width) last = p.out_width;
                    float *line = gradient + (c * p.height + row) * p.width + j - p.pad_columns;
                    if (p.stride_columns == 1) {
                        #pragma omp simd
                        for (long o = begin; o < last; o++) line[o] += patches[o];
                    } else
                        for (long o = begin; o < last; o++)
                            line[o * p.stride_columns] += patches[o];
                }
}

/* Kernels as one matrix of (row, filter) x (channel, column). */
static float *by_rows(const Patches &p, const float *kernels, int flip) {
    const long size = p.kernel_rows * p.kernel_columns, inner = p.channels * p.kernel_columns;
    float *matrix = (float *)malloc(sizeof(float) * p.filters * p.channels * size);
    if (matrix)
        for (long f = 0; f < p.filters; f++)
            for (long c = 0; c < p.channels; c++)
                for (long e = 0; e < size; e++) {
                    const long at = flip ? size - 1 - e : e;
                    matrix[(e / p.kernel_columns * p.filters + f) * inner + c * p.kernel_columns
                           + e % p.kernel_columns] = kernels[(f * p.channels + c) * size + at];
                }
    return matrix;
}

/* The same for few filters, whose products with whole patches would be thin: a row of the picture
   is multiplied with all rows of the kernels, and the results are added to the rows of outputs that
   see it. Returns 1 without memory. */
static int convolve_rows(const Patches &p, const float *x, const float *kernels, int flip,
                         const float *bias, int rectified, float *y) {
    const Threads threads(2);
    const long blocks = p.pictures >= threads.count ? 1 : threads.count;
    const long at_once = (p.out_height + blocks - 1) / blocks, width = p.out_width;
    const long inner = p.channels * p.kernel_columns, made = p.kernel_rows * p.filters;
    const long room = (inner + made) * width;
    float *matrix = by_rows(p, kernels, flip);
    float *memory = (float *)malloc(sizeof(float) * threads.count * room);
    const int failed = !matrix || !memory;
    Patches line = p;
    line.kernel_rows = 1;
    line.pad_rows = 0;
    if (!failed) {
        #pragma omp parallel for schedule(dynamic) num_threads(threads.count)
        for (long b = 0; b < p.pictures * blocks; b++) {
            const long n = b / blocks, first = b % blocks * at_once;
            const long end = first + at_once < p.out_height ? first + at_once : p.out_height;
            const float *picture = x + n * p.channels * p.height * p.width;
            float *out = y + n * p.filters * p.outputs();
            float *patches = memory + this_thread() * room, *products = patches + inner * width;
            for (long f = 0; f < p.filters && first < end; f++)
                memset(out + f * p.outputs() + first * width, 0,
                       (end - first) * width * sizeof(float));
            for (long row = first - p.pad_rows; row < end - p.pad_rows + p.kernel_rows - 1; row++) {
                if (row < 0 || row >= p.height || first >= end) continue;
                lay_out(line, picture, row, 1, patches);
                multiply('N', 'N', made, width, inner, matrix, inner, patches, width, 0, products,
                         width);
                for (long i = 0; i < p.kernel_rows; i++) {
                    const long to = row + p.pad_rows - i;
                    if (to < first || to >= end) continue;
                    for (long f = 0; f < p.filters; f++) {
                        float *sums = out + f * p.outputs() + to * width;
                        const float *product = products + (i * p.filters + f) * width;
                        #pragma omp simd
                        for (long o = 0; o < width; o++) sums[o] += product[o];
                    }
                }
            }
            for (long f = 0; f < p.filters && first < end; f++) {
                float *done = out + f * p.outputs() + first * width;
                finish_line(done, bias ? bias[f] : 0, rectified, (end - first) * width, done);
            }
        }
    }
    free(matrix);
    free(memory);
    return failed;
}

/* y = x * kernels + bias, rectified if asked for. Returns 1 without memory. */
static int convolve_patches(const Patches &p, const float *x, const float *kernels, int flip,
                            const float *bias, int rectified, float *y) {
    if (2 * p.filters <= p.channels && p.kernel_rows > 1 && p.stride_rows == 1
        && p.stride_columns == 1)
        return convolve_rows(p, x, kernels, flip, bias, rectified, y);
    const long at_once = p.rows_at_once(p.out_height);
    const long blocks = (p.out_height + at_once - 1) / at_once, count = at_once * p.out_width;
    const long room = p.pointwise() ? 1 : p.inner() * count;
    const Threads threads(p.pictures * blocks);
    const Ordered ordered(kernels, p, flip);
    float *patches = (float *)malloc(sizeof(float) * threads.count * room);
    const int failed = !ordered.kernels || !patches;
    if (!failed) {
        #pragma omp parallel for schedule(dynamic) num_threads(threads.count)
        for (long b = 0; b < p.pictures * blocks; b++) {
            const long n = b / blocks, first = b % blocks * at_once;
            const long rows = first + at_once < p.out_height ? at_once : p.out_height - first;
            const float *picture = x + n * p.channels * p.height * p.width, *columns;
            float *own = patches + this_thread() * room;
            if (p.pointwise())
                columns = picture + first * p.width;
            else {
                lay_out(p, picture, first, rows, own);
                columns = own;
            }
            float *out = y + n * p.filters * p.outputs() + first * p.out_width;
            multiply('N', 'N', p.filters, rows * p.out_width, p.inner(), ordered.kernels, p.inner(),
                     columns, p.pointwise() ? p.outputs() : rows * p.out_width, 0, out,
                     p.outputs());
            if (bias || rectified)
                for (long k = 0; k < p.filters; k++)
                    finish_line(out + k * p.outputs(), bias ? bias[k] : 0, rectified,
                                rows * p.out_width, out + k * p.outputs());
        }
    }
    free(patches);
    return failed;
}

/* Gradient of the pictures from that of the outputs. Each block owns rows of the picture, and asks
   for every output that reaches them. Returns 1 without memory. */
static int convolve_patches_back(const Patches &p, const float *g, Rectifier rectifier,
                                 const float *kernels, int flip, float *gradient) {
    const long at_once = p.rows_at_once(p.height);
    const long blocks = (p.height + at_once - 1) / at_once;
    const long most = ((at_once + p.kernel_rows - 2) / p.stride_rows + 1) * p.out_width;
    const long room = p.inner() * most, room_above = p.filters * most;
    const Threads threads(p.pictures * blocks);
    const Ordered ordered(kernels, p, flip);
    float *patches = (float *)malloc(sizeof(float) * threads.count * room);
    float *masked = (float *)malloc(sizeof(float) * threads.count * room_above);
    const int failed = !ordered.kernels || !patches || !masked;
    if (!failed) {
        #pragma omp parallel for schedule(dynamic) num_threads(threads.count)
        for (long b = 0; b < p.pictures * blocks; b++) {
            const long n = b / blocks, first = b % blocks * at_once;
            const long end = first + at_once < p.height ? first + at_once : p.height;
            const long out_first = first_reaching(first, p.kernel_rows, p.stride_rows, p.pad_rows);
            const long out_end = end_reaching(end - 1, p.stride_rows, p.pad_rows, p.out_height);
            const long rows = out_end > out_first ? out_end - out_first : 0;
            const long count = rows * p.out_width;
            float *picture = gradient + n * p.channels * p.height * p.width;
            for (long c = 0; c < p.channels; c++)
                memset(picture + (c * p.height + first) * p.width, 0,
                       (end - first) * p.width * sizeof(float));
            if (!rows) continue;
            const long start = n * p.filters * p.outputs() + out_first * p.out_width;
            const float *above = g + start;
            long step = p.outputs();
            if (rectifier.output || rectifier.itself) {
                float *own = masked + this_thread() * room_above;
                for (long k = 0; k < p.filters; k++) {
                    memcpy(own + k * count, above + k * step, count * sizeof(float));
                    rectifier.pass(start + k * step, count, own + k * count);
                }
                above = own;
                step = count;
            }
            float *own = patches + this_thread() * room;
            multiply('T', 'N', p.inner(), count, p.filters, ordered.kernels, p.inner(), above,
                     step, 0, own, count);
            add_up(p, own, out_first, rows, first, end, picture);
        }
    }
    free(patches);
    free(masked);
    return failed;
}

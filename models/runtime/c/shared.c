#section support_code

/* What the ops of this folder share: threads, matrix products, and what they ask of arrays. */

#include <stdlib.h>
#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#endif

extern "C" void openblas_set_num_threads(int) __attribute__((weak));
extern "C" int openblas_get_num_threads(void) __attribute__((weak));

/* As long as one lives, products run on the thread that asks for them: the threads share out whole
   products. With a BLAS whose threads cannot be set there is one thread. */
struct Threads {
    int count, of_the_blas;
    Threads(long products = 2) : count(1), of_the_blas(0) {  /* one product is left to the BLAS */
#ifdef _OPENMP
        if (openblas_set_num_threads && products > 1) {
            count = omp_get_max_threads();
            of_the_blas = openblas_get_num_threads();
            openblas_set_num_threads(1);
        }
#endif
    }
    ~Threads() {
        if (of_the_blas) openblas_set_num_threads(of_the_blas);
    }
};

static inline int this_thread(void) {
#ifdef _OPENMP
    return omp_get_thread_num();
#else
    return 0;
#endif
}

/* C (rows x columns) = A (rows x inner) B (inner x columns) + beta C, all row by row; each row of a
   matrix lies so many numbers behind the one before. 'T': A or B is stored transposed. */
static inline void multiply(char transposed_a, char transposed_b, long rows, long columns,
                            long inner, const float *A, long step_a, const float *B, long step_b,
                            float beta, float *C, long step_c) {
    float one = 1;
    int m = (int)columns, n = (int)rows, k = (int)inner;
    int lda = (int)step_b, ldb = (int)step_a, ldc = (int)step_c;  /* the BLAS goes by columns */
    sgemm_(&transposed_b, &transposed_a, &m, &n, &k, &one, (float *)B, &lda, (float *)A, &ldb,
           &beta, C, &ldc);
}

/* What a gradient passes before it goes back through a convolution. */
struct Rectifier {
    const float *output;  /* nothing passes where this is not positive; NULL: everything does */
    int itself;           /* nothing passes that is not positive itself */
    void pass(long first, long count, float *line) const {
        if (output) {
            const float *o = output + first;
            #pragma omp simd
            for (long j = 0; j < count; j++) line[j] = o[j] <= 0 ? 0 : line[j];
        }
        if (itself) {
            #pragma omp simd
            for (long j = 0; j < count; j++) line[j] = line[j] <= 0 ? 0 : line[j];
        }
    }
};

/* What is done to a line of outputs: the bias and, if asked for, the rectifier. A NaN stays. */
static inline void finish_line(const float *from, float bias, int rectified, long count,
                               float *to) {
    if (rectified) {
        #pragma omp simd
        for (long j = 0; j < count; j++) {
            const float sum = from[j] + bias;
            to[j] = sum <= 0 ? 0 : sum;
        }
    } else {
        #pragma omp simd
        for (long j = 0; j < count; j++) to[j] = from[j] + bias;
    }
}

/* An output of this shape: the one of the call before, if it fits, or a new one. Returns 1, with
   Python's error set, where there is no memory. */
static inline int no_room(PyArrayObject **y, int dimensions, const npy_intp *shape) {
    if (*y && PyArray_ISCARRAY(*y) && PyArray_NDIM(*y) == dimensions
        && !memcmp(PyArray_DIMS(*y), shape, dimensions * sizeof *shape))
        return 0;
    Py_XDECREF(*y);
    *y = (PyArrayObject *)PyArray_EMPTY(dimensions, (npy_intp *)shape, NPY_FLOAT32, 0);
    return *y == NULL;
}

#section support_code_apply

int APPLY_SPECIFIC(normalise)(PyArrayObject *x, PyArrayObject *scale, PyArrayObject *shift,
                              PyArrayObject *epsilon, PyArrayObject **y, PyArrayObject **mean,
                              PyArrayObject **inverse, PARAMS_TYPE *params) {
    const npy_intp *shape = PyArray_DIMS(x);
    if (PyArray_DIM(scale, 0) != shape[1] || PyArray_DIM(shift, 0) != shape[1]) {
        PyErr_SetString(PyExc_ValueError, "a normalisation of another number of channels");
        return 1;
    }
    if (no_room(y, 4, shape) || no_room(mean, 2, shape) || no_room(inverse, 2, shape)) return 1;
    x = PyArray_GETCONTIGUOUS(x);
    scale = PyArray_GETCONTIGUOUS(scale);
    shift = PyArray_GETCONTIGUOUS(shift);
    const int failed = x == NULL || scale == NULL || shift == NULL;
    if (!failed) {
        const long count = shape[2] * shape[3], channels = shape[1];
        const double added = *(double *)PyArray_DATA(epsilon);
        const float *from = (float *)PyArray_DATA(x), *factors = (float *)PyArray_DATA(scale);
        const float *shifts = (float *)PyArray_DATA(shift);
        float *to = (float *)PyArray_DATA(*y), *means = (float *)PyArray_DATA(*mean);
        float *inverses = (float *)PyArray_DATA(*inverse);
        #pragma omp parallel for schedule(static)
        for (long plane = 0; plane < shape[0] * channels; plane++) {
            const float *map = from + plane * count;
            const float centre = (float)(sum_of(map, count) / count);
            const double variance = squares_around(map, count, centre) / count;
            const double least = params->flat * 1e-9 * fmax(1, fabs(centre));
            means[plane] = centre;
            inverses[plane] = variance < least * least ? 0 : (float)(1 / sqrt(variance + added));
            scale_map(map, count, centre, inverses[plane] * factors[plane % channels],
                      shifts[plane % channels], params->rectified, to + plane * count);
        }
    }
    Py_XDECREF(x);
    Py_XDECREF(scale);
    Py_XDECREF(shift);
    return failed;
}

#section support_code_apply

int APPLY_SPECIFIC(normalise_back)(PyArrayObject *g, PyArrayObject *x, PyArrayObject *y,
                                   PyArrayObject *mean, PyArrayObject *inverse,
                                   PyArrayObject *scale, PyArrayObject **gradient,
                                   PyArrayObject **scales, PyArrayObject **shifts,
                                   PARAMS_TYPE *params) {
    const npy_intp *shape = PyArray_DIMS(x);
    if (memcmp(shape, PyArray_DIMS(g), 4 * sizeof *shape)
        || memcmp(shape, PyArray_DIMS(y), 4 * sizeof *shape)
        || memcmp(shape, PyArray_DIMS(mean), 2 * sizeof *shape)
        || memcmp(shape, PyArray_DIMS(inverse), 2 * sizeof *shape)
        || PyArray_DIM(scale, 0) != shape[1]) {
        PyErr_SetString(PyExc_ValueError, "a normalisation and its gradient do not fit");
        return 1;
    }
    if (no_room(gradient, 4, shape) || no_room(scales, 2, shape) || no_room(shifts, 2, shape))
        return 1;
    PyArrayObject *arrays[6] = {g, x, y, mean, inverse, scale};
    const float *data[6];
    int failed = 0;
    for (int i = 0; i < 6; i++) {
        arrays[i] = PyArray_GETCONTIGUOUS(arrays[i]);
        failed |= arrays[i] == NULL;
        data[i] = arrays[i] == NULL ? NULL : (const float *)PyArray_DATA(arrays[i]);
    }
    if (!failed) {
        const long count = shape[2] * shape[3], channels = shape[1];
        float *to = (float *)PyArray_DATA(*gradient), *factors = (float *)PyArray_DATA(*scales);
        float *sums = (float *)PyArray_DATA(*shifts);
        #pragma omp parallel for schedule(static)
        for (long plane = 0; plane < shape[0] * channels; plane++) {
            const long at = plane * count;
            double first, second;
            sums_back(data[0] + at, data[1] + at, data[2] + at, count, data[3][plane],
                      data[4][plane], params->rectified, &first, &second);
            sums[plane] = (float)first;
            factors[plane] = (float)second;
            map_back(data[0] + at, data[1] + at, data[2] + at, count, data[3][plane],
                     data[4][plane], data[4][plane] * data[5][plane % channels],
                     (float)(first / count), (float)(second / count), params->rectified, to + at);
        }
    }
    for (int i = 0; i < 6; i++) Py_XDECREF(arrays[i]);
    return failed;
}

#section support_code_apply

int APPLY_SPECIFIC(patches)(PyArrayObject *x, PyArrayObject *kernels, PyArrayObject *bias,
                            PyArrayObject **y, PARAMS_TYPE *params) {
    const npy_intp *pictures = PyArray_DIMS(x), *shape = PyArray_DIMS(kernels);
    const Patches p = {
        pictures[0], pictures[1], pictures[2], pictures[3], shape[0], shape[2], shape[3],
        params->stride_rows, params->stride_columns, params->pad_rows, params->pad_columns,
        (pictures[2] + 2 * params->pad_rows - shape[2]) / params->stride_rows + 1,
        (pictures[3] + 2 * params->pad_columns - shape[3]) / params->stride_columns + 1};
    const npy_intp out_shape[4] = {p.pictures, p.filters, p.out_height, p.out_width};
    if (shape[1] != p.channels) {
        PyErr_Format(PyExc_ValueError, "a convolution of kernels for %ld channels got %ld",
                     (long)shape[1], p.channels);
        return 1;
    }
    if (p.height + 2 * p.pad_rows < p.kernel_rows
        || p.width + 2 * p.pad_columns < p.kernel_columns) {
        PyErr_Format(PyExc_ValueError, "a convolution of %ldx%ld got pictures of %ldx%ld, too "
                     "small for its padding", p.kernel_rows, p.kernel_columns, p.height, p.width);
        return 1;
    }
    if (no_room(y, 4, out_shape)) return 1;
    x = PyArray_GETCONTIGUOUS(x);
    kernels = PyArray_GETCONTIGUOUS(kernels);
    bias = PyArray_GETCONTIGUOUS(bias);
    int failed = !x || !kernels || !bias;
    if (!failed && PyArray_SIZE(bias) && PyArray_SIZE(bias) != p.filters) {
        PyErr_Format(PyExc_ValueError, "a convolution of %ld filters got a bias of %ld", p.filters,
                     (long)PyArray_SIZE(bias));
        failed = 1;
    }
    if (!failed && PyArray_SIZE(*y)) {
        failed = convolve_patches(p, (const float *)PyArray_DATA(x),
                                  (const float *)PyArray_DATA(kernels), params->flip,
                                  PyArray_SIZE(bias) ? (const float *)PyArray_DATA(bias) : NULL,
                                  params->rectified, (float *)PyArray_DATA(*y));
        if (failed) PyErr_NoMemory();
    }
    Py_XDECREF(x);
    Py_XDECREF(kernels);
    Py_XDECREF(bias);
    return failed;
}

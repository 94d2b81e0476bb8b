"""The data scientist's room: how the model is built, searched, trained, evaluated and compared."""

import os

# Before scikit-learn loads OpenMP: threads that wait shall sleep. By default they spin, which on a machine that is
# also doing something else makes a fit several times slower.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

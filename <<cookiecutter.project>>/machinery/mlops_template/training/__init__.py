"""How a model is made: the metrics, the search over candidates, the fit, the model's directory."""

import os

# Before scikit-learn loads GNU's OpenMP: its threads wait for each other by spinning, by default so long that on a
# machine with something else to do a fit takes many times as long. A short spin costs nothing on an idle one.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

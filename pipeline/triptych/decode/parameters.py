"""What a spectrogram is, as data: part of the key of every feature that is made from it.

Plain numbers, so that a key can be computed without loading a numerical library.
"""

from __future__ import annotations

__all__ = ["FLOOR", "HOP", "LOG_MEL", "N_FFT", "N_MELS", "RATE_HZ"]

RATE_HZ = 16_000
N_FFT = 400
HOP = 160
N_MELS = 80
FLOOR = 1e-10  #: of power

LOG_MEL = {
    "rate_hz": RATE_HZ,
    "n_fft": N_FFT,
    "hop": HOP,
    "n_mels": N_MELS,
    "window": "hann",
    "scale": "slaney",
    "floor": FLOOR,
}

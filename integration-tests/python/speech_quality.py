"""PESQ (ITU-T P.862, narrow band) of the second WAV against the first, both mono at 8 kHz."""

import sys

import numpy
import pesq
import wave


def samples(path):
    with wave.open(path) as file:
        assert file.getframerate() == 8000 and file.getnchannels() == 1, path
        return numpy.frombuffer(file.readframes(file.getnframes()), dtype=numpy.int16)


print(pesq.pesq(8000, samples(sys.argv[1]), samples(sys.argv[2]), "nb"))

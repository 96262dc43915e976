package org.paddleprune.lite.core;

/** A picture: 0xAARRGGBB a pixel, row by row, as Android's Bitmap.getPixels gives them. */
public final class Picture {
    public final int[] pixels;
    public final int width;
    public final int height;

    public Picture(int[] pixels, int width, int height) {
        if (pixels.length != width * height) {
            throw new IllegalArgumentException(pixels.length + " pixels are not " + width + "x" + height);
        }
        this.pixels = pixels;
        this.width = width;
        this.height = height;
    }

    /** Channel 0 red, 1 green, 2 blue, each 0 to 255: [3][height * width]. */
    float[][] planes() {
        float[][] planes = new float[3][pixels.length];
        for (int i = 0; i < pixels.length; i++) {
            planes[0][i] = (pixels[i] >> 16) & 255;
            planes[1][i] = (pixels[i] >> 8) & 255;
            planes[2][i] = pixels[i] & 255;
        }
        return planes;
    }
}

/* A camera made of software, to be put before a program with LD_PRELOAD: whatever the program asks /dev/video0 of the C
 * library is answered here. Its file is a timer, so waiting for a picture is the kernel's business.
 *
 * FAKE_CAMERA_FORMATS  what it offers, of MJPG YUYV NV12 RGB3 GREY H264; default "MJPG YUYV"
 * FAKE_CAMERA_JPEG     the file that every MJPG picture is
 * FAKE_CAMERA_PADDING  so many zeros follow each of them
 * FAKE_CAMERA_STEPWISE any size from 32x16 to 1920x1080, and any rate from 1 to 60
 * FAKE_CAMERA_FULL     its raw pictures are said to have the full range
 * FAKE_CAMERA_AGE      pictures are so many milliseconds old when they can be fetched
 * FAKE_CAMERA_CLOCK    times of capture are from a clock of its own
 * FAKE_CAMERA_FAULT    busy, denied, output, silent, unplugged:N (after N pictures), corrupt:K or flagged:K (each Kth)
 * FAKE_CAMERA_LOG      a file to which controls and starts are written
 *
 * Discrete sizes are 640x480 and 1280x720, at 30 and 15 pictures a second; raw ones of 1280x720 at 10 alone. A raw
 * picture is eight upright bars in the colours of a colour bar test picture, 100 %, by ITU-R BT.601. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define BUFFERS_MAX 8
#define OFFSET_STEP (1u << 20)

static const char *const DEVICE = "/dev/video0";

static const uint8_t BARS_YCBCR[8][3] = {{235, 128, 128}, {210, 16, 146}, {170, 166, 16}, {145, 54, 34},
                                         {106, 202, 222}, {81, 90, 240},  {41, 240, 110}, {16, 128, 128}};
static const uint8_t BARS_RGB[8][3] = {{255, 255, 255}, {255, 255, 0}, {0, 255, 255}, {0, 255, 0},
                                       {255, 0, 255},   {255, 0, 0},   {0, 0, 255},   {0, 0, 0}};

static struct {
    int file;
    struct v4l2_pix_format format;
    uint32_t fps;
    uint8_t *jpeg;
    size_t jpeg_bytes;
    void *memory[BUFFERS_MAX];
    size_t length;
    uint32_t count;
    /* The buffers that wait for a picture, oldest first. */
    uint32_t queue[BUFFERS_MAX];
    uint32_t queued;
    uint32_t pictures;
    bool manual_exposure;
} camera = {.file = -1};

struct control {
    uint32_t id, type, flags;
    const char *name;
    int32_t minimum, maximum;
};

static const struct control CONTROLS[] = {
    {0x00980001, V4L2_CTRL_TYPE_CTRL_CLASS, V4L2_CTRL_FLAG_READ_ONLY, "User Controls", 0, 0},
    {V4L2_CID_BRIGHTNESS, V4L2_CTRL_TYPE_INTEGER, 0, "Brightness", -64, 64},
    {V4L2_CID_HUE, V4L2_CTRL_TYPE_INTEGER, V4L2_CTRL_FLAG_DISABLED, "Hue", 0, 10},
    {V4L2_CID_EXPOSURE_AUTO, V4L2_CTRL_TYPE_MENU, 0, "Exposure, Auto", 0, 3},
    {V4L2_CID_EXPOSURE_ABSOLUTE, V4L2_CTRL_TYPE_INTEGER, V4L2_CTRL_FLAG_INACTIVE, "Exposure (Absolute)", 3, 2047},
    {V4L2_CID_PRIVACY, V4L2_CTRL_TYPE_BOOLEAN, V4L2_CTRL_FLAG_READ_ONLY, "Privacy", 0, 1},
};

static const char *setting(const char *name) {
    const char *value = getenv(name);
    return value ? value : "";
}

/* Whether the fault of that name is asked for. Its number goes to `number`. */
static bool fault(const char *name, uint32_t *number) {
    const char *wanted = setting("FAKE_CAMERA_FAULT");
    size_t length = strlen(name);
    if (strncmp(wanted, name, length) != 0) return false;
    if (number && wanted[length] == ':') *number = (uint32_t)atoi(wanted + length + 1);
    return true;
}

static int refuse(int error) {
    errno = error;
    return -1;
}

static void write_log(const char *format, ...) {
    FILE *log = fopen(setting("FAKE_CAMERA_LOG"), "a");
    if (!log) return;
    va_list arguments;
    va_start(arguments, format);
    vfprintf(log, format, arguments);
    va_end(arguments);
    fclose(log);
}

/* The format at `index` of those offered, or 0. */
static uint32_t format_at(uint32_t index) {
    const char *names = getenv("FAKE_CAMERA_FORMATS");
    if (!names) names = "MJPG YUYV";
    if (strlen(names) < 5 * index + 4) return 0;
    const char *name = names + 5 * index;
    return v4l2_fourcc(name[0], name[1], name[2], name[3]);
}

static bool is_offered(uint32_t format) {
    for (uint32_t index = 0, found; (found = format_at(index)); index++)
        if (found == format) return true;
    return false;
}

static uint32_t picture_bytes(const struct v4l2_pix_format *format) {
    uint32_t pixels = format->width * format->height;
    switch (format->pixelformat) {
    case V4L2_PIX_FMT_YUYV: return pixels * 2;
    case V4L2_PIX_FMT_NV12: return pixels * 3 / 2;
    case V4L2_PIX_FMT_RGB24: return pixels * 3;
    case V4L2_PIX_FMT_GREY: return pixels;
    default: return (uint32_t)(camera.jpeg_bytes + atoi(setting("FAKE_CAMERA_PADDING")) + 4096);
    }
}

/* Makes of `format` what this camera can do. */
static void adjust(struct v4l2_pix_format *format) {
    if (!is_offered(format->pixelformat)) format->pixelformat = format_at(0);
    if (!getenv("FAKE_CAMERA_STEPWISE")) {
        bool large = format->width >= 960;
        format->width = large ? 1280 : 640;
        format->height = large ? 720 : 480;
    }
    format->field = V4L2_FIELD_NONE;
    format->sizeimage = picture_bytes(format);
    format->bytesperline = 0;
    format->colorspace = V4L2_COLORSPACE_SRGB;
    format->quantization =
        getenv("FAKE_CAMERA_FULL") ? V4L2_QUANTIZATION_FULL_RANGE : V4L2_QUANTIZATION_DEFAULT;
}

static bool is_slow(uint32_t format, uint32_t width) { return format != V4L2_PIX_FMT_MJPEG && width >= 1280; }

static void read_jpeg(void) {
    FILE *file = fopen(setting("FAKE_CAMERA_JPEG"), "rb");
    if (!file) return;
    camera.jpeg = malloc(1 << 20);
    camera.jpeg_bytes = fread(camera.jpeg, 1, 1 << 20, file);
    fclose(file);
}

static int open_camera(void) {
    if (fault("denied", 0)) return refuse(EACCES);
    if (!camera.jpeg) read_jpeg();
    camera.file = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    camera.format = (struct v4l2_pix_format){.width = 640, .height = 480, .pixelformat = format_at(0)};
    adjust(&camera.format);
    camera.fps = 30;
    return camera.file;
}

static void set_timer(bool on) {
    struct itimerspec timer = {0};
    if (on && !fault("silent", 0)) timer.it_value.tv_nsec = timer.it_interval.tv_nsec = 999999999 / camera.fps;
    timerfd_settime(camera.file, 0, &timer, 0);
}

static int enumerate_sizes(struct v4l2_frmsizeenum *size) {
    if (getenv("FAKE_CAMERA_STEPWISE")) {
        if (size->index) return refuse(EINVAL);
        size->type = V4L2_FRMSIZE_TYPE_STEPWISE;
        size->stepwise = (struct v4l2_frmsize_stepwise){32, 1920, 16, 16, 1080, 8};
        return 0;
    }
    if (size->index > 1 || !is_offered(size->pixel_format)) return refuse(EINVAL);
    size->type = V4L2_FRMSIZE_TYPE_DISCRETE;
    size->discrete.width = size->index ? 1280 : 640;
    size->discrete.height = size->index ? 720 : 480;
    return 0;
}

static int enumerate_intervals(struct v4l2_frmivalenum *interval) {
    if (getenv("FAKE_CAMERA_STEPWISE")) {
        if (interval->index) return refuse(EINVAL);
        interval->type = V4L2_FRMIVAL_TYPE_CONTINUOUS;
        interval->stepwise = (struct v4l2_frmival_stepwise){{1, 60}, {1, 1}, {1, 1}};
        return 0;
    }
    bool slow = is_slow(interval->pixel_format, interval->width);
    if (interval->index > (slow ? 0 : 1)) return refuse(EINVAL);
    interval->type = V4L2_FRMIVAL_TYPE_DISCRETE;
    interval->discrete = (struct v4l2_fract){1, slow ? 10 : interval->index ? 15 : 30};
    return 0;
}

static int set_rate(struct v4l2_captureparm *capture) {
    struct v4l2_fract *interval = &capture->timeperframe;
    uint32_t wanted = interval->numerator ? (interval->denominator + interval->numerator / 2) / interval->numerator : 0;
    if (getenv("FAKE_CAMERA_STEPWISE")) camera.fps = wanted < 1 ? 1 : wanted > 60 ? 60 : wanted;
    else if (is_slow(camera.format.pixelformat, camera.format.width)) camera.fps = 10;
    else camera.fps = wanted > 22 ? 30 : 15;
    *interval = (struct v4l2_fract){1, camera.fps};
    return 0;
}

static int query_control(struct v4l2_queryctrl *query) {
    bool next = query->id & V4L2_CTRL_FLAG_NEXT_CTRL;
    uint32_t id = query->id & ~V4L2_CTRL_FLAG_NEXT_CTRL;
    for (size_t n = 0; n < sizeof CONTROLS / sizeof *CONTROLS; n++) {
        const struct control *control = &CONTROLS[n];
        if (next ? control->id <= id : control->id != id) continue;
        *query = (struct v4l2_queryctrl){.id = control->id,
                                         .type = control->type,
                                         .flags = control->flags,
                                         .minimum = control->minimum,
                                         .maximum = control->maximum,
                                         .step = 1};
        strncpy((char *)query->name, control->name, sizeof query->name - 1);
        return 0;
    }
    return refuse(EINVAL);
}

static int set_control(const struct v4l2_control *control) {
    if (control->id == V4L2_CID_EXPOSURE_ABSOLUTE && !camera.manual_exposure) return refuse(EACCES);
    if (control->id == V4L2_CID_EXPOSURE_AUTO) camera.manual_exposure = control->value == V4L2_EXPOSURE_MANUAL;
    write_log("control %#x is %d\n", control->id, control->value);
    return 0;
}

static int request_buffers(struct v4l2_requestbuffers *request) {
    if (fault("busy", 0)) return refuse(EBUSY);
    if (request->memory != V4L2_MEMORY_MMAP) return refuse(EINVAL);
    if (request->count > BUFFERS_MAX) request->count = BUFFERS_MAX;
    camera.count = request->count;
    camera.length = camera.format.sizeimage;
    camera.queued = 0;
    return 0;
}

static int query_buffer(struct v4l2_buffer *buffer) {
    if (buffer->index >= camera.count) return refuse(EINVAL);
    buffer->length = camera.length;
    buffer->m.offset = buffer->index * OFFSET_STEP;
    return 0;
}

static int enqueue(const struct v4l2_buffer *buffer) {
    if (buffer->index >= camera.count || camera.queued == camera.count) return refuse(EINVAL);
    camera.queue[camera.queued++] = buffer->index;
    return 0;
}

static uint32_t draw(uint8_t *to) {
    uint32_t width = camera.format.width, height = camera.format.height;
    uint8_t *chroma = to + width * height;
    if (camera.format.pixelformat == V4L2_PIX_FMT_MJPEG) {
        uint32_t padding = atoi(setting("FAKE_CAMERA_PADDING"));
        memcpy(to, camera.jpeg, camera.jpeg_bytes);
        memset(to + camera.jpeg_bytes, 0, padding);
        return camera.jpeg_bytes + padding;
    }
    for (uint32_t y = 0; y < height; y++)
        for (uint32_t x = 0; x < width; x++) {
            const uint8_t *bar = BARS_YCBCR[x * 8 / width], *rgb = BARS_RGB[x * 8 / width];
            uint32_t at = y * width + x;
            switch (camera.format.pixelformat) {
            case V4L2_PIX_FMT_YUYV:
                to[2 * at] = bar[0];
                to[2 * at + 1] = bar[1 + x % 2];
                break;
            case V4L2_PIX_FMT_NV12:
                to[at] = bar[0];
                chroma[y / 2 * width + x] = bar[1 + x % 2];
                break;
            case V4L2_PIX_FMT_RGB24: memcpy(to + 3 * at, rgb, 3); break;
            default: to[at] = x * 8 / width * 36;
            }
        }
    return camera.format.sizeimage;
}

static int dequeue(struct v4l2_buffer *buffer) {
    uint64_t ticks;
    uint32_t after = 0, each = 1;
    if (read(camera.file, &ticks, sizeof ticks) != sizeof ticks || !camera.queued) return refuse(EAGAIN);
    if (fault("unplugged", &after) && camera.pictures >= after) return refuse(ENODEV);
    buffer->index = camera.queue[0];
    memmove(camera.queue, camera.queue + 1, --camera.queued * sizeof *camera.queue);
    buffer->bytesused = draw(camera.memory[buffer->index]);
    buffer->sequence = camera.pictures++;
    buffer->length = camera.length;
    buffer->flags = V4L2_BUF_FLAG_DONE | V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t micros = now.tv_sec * 1000000LL + now.tv_nsec / 1000 - atoll(setting("FAKE_CAMERA_AGE")) * 1000;
    if (getenv("FAKE_CAMERA_CLOCK")) micros += 1000000000000LL;
    buffer->timestamp = (struct timeval){micros / 1000000, micros % 1000000};
    if (fault("corrupt", &each) && camera.pictures % each == 0) buffer->bytesused /= 2;
    if (fault("flagged", &each) && camera.pictures % each == 0) buffer->flags |= V4L2_BUF_FLAG_ERROR;
    return 0;
}

static int answer(unsigned long request, void *argument) {
    switch (request) {
    case VIDIOC_QUERYCAP: {
        struct v4l2_capability *capability = argument;
        *capability = (struct v4l2_capability){.card = "Fake: camera", .driver = "fake"};
        capability->device_caps = V4L2_CAP_STREAMING |
                                  (fault("output", 0) ? V4L2_CAP_VIDEO_OUTPUT : V4L2_CAP_VIDEO_CAPTURE);
        /* What another node of the same camera can do. */
        capability->capabilities = capability->device_caps | V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_DEVICE_CAPS;
        return 0;
    }
    case VIDIOC_ENUM_FMT: {
        struct v4l2_fmtdesc *format = argument;
        format->pixelformat = format_at(format->index);
        return format->pixelformat ? 0 : refuse(EINVAL);
    }
    case VIDIOC_ENUM_FRAMESIZES: return enumerate_sizes(argument);
    case VIDIOC_ENUM_FRAMEINTERVALS: return enumerate_intervals(argument);
    case VIDIOC_S_FMT:
        adjust(&((struct v4l2_format *)argument)->fmt.pix);
        camera.format = ((struct v4l2_format *)argument)->fmt.pix;
        return 0;
    case VIDIOC_G_FMT: ((struct v4l2_format *)argument)->fmt.pix = camera.format; return 0;
    case VIDIOC_S_PARM: return set_rate(&((struct v4l2_streamparm *)argument)->parm.capture);
    case VIDIOC_QUERYCTRL: return query_control(argument);
    case VIDIOC_S_CTRL: return set_control(argument);
    case VIDIOC_REQBUFS: return request_buffers(argument);
    case VIDIOC_QUERYBUF: return query_buffer(argument);
    case VIDIOC_QBUF: return enqueue(argument);
    case VIDIOC_DQBUF: return dequeue(argument);
    case VIDIOC_STREAMON:
        write_log("start %ux%u %.4s at %u\n", camera.format.width, camera.format.height,
                  (const char *)&camera.format.pixelformat, camera.fps);
        set_timer(true);
        return 0;
    case VIDIOC_STREAMOFF: set_timer(false); return 0;
    default: return refuse(ENOTTY);
    }
}

/* What stands before the C library. */

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define OPEN(name)                                                                                                     \
    int name(const char *path, int flags, ...) {                                                                       \
        va_list arguments;                                                                                             \
        va_start(arguments, flags);                                                                                    \
        mode_t mode = va_arg(arguments, mode_t);                                                                       \
        va_end(arguments);                                                                                             \
        return strcmp(path, DEVICE) == 0 ? open_camera() : REAL(name)(path, flags, mode);                              \
    }
OPEN(open)
OPEN(open64)

int ioctl(int file, unsigned long request, ...) {
    va_list arguments;
    va_start(arguments, request);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    return file >= 0 && file == camera.file ? answer(request, argument) : REAL(ioctl)(file, request, argument);
}

void *mmap(void *address, size_t length, int protection, int flags, int file, off_t offset) {
    if (file < 0 || file != camera.file) return REAL(mmap)(address, length, protection, flags, file, offset);
    void *memory = REAL(mmap)(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    camera.memory[offset / OFFSET_STEP] = memory;
    return memory;
}

void *mmap64(void *address, size_t length, int protection, int flags, int file, off64_t offset) {
    return mmap(address, length, protection, flags, file, offset);
}

int close(int file) {
    if (file >= 0 && file == camera.file) camera.file = -1;
    return REAL(close)(file);
}
